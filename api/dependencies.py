"""What routes are handed: the services of this process, and who is asking."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, HTTPException, Query, Request

from api.auth import caller_of, require
from api.keyless import is_json
from orchestration.streams.hub import Hub
from orchestration.wiring import Wiring
from pipeline.keys import KeyScope
from stages.contract import Options

Entitlement = Callable[..., None]
"""Takes the options that a caller gives."""


def wiring_of(request: Request) -> Wiring:
    """The services that the app was made with."""
    wiring: Wiring = request.app.state.wiring
    return wiring


def hub_of(request: Request) -> Hub:
    """Where this process listens for events."""
    hub: Hub = request.app.state.hub
    return hub


def tenant_of(request: Request) -> str:
    """Whose jobs are asked for."""
    return caller_of(request).tenant_id


def require_json(request: Request) -> None:
    """Refuse a body of another type with 415, before it is misread as a job without fields."""
    if not is_json(request.headers.get("content-type", "")):
        raise HTTPException(415, "Send the job as JSON, with Content-Type: application/json.")


def entitlement_of(request: Request) -> Entitlement:
    """Raises `Forbidden` for options that need more than leave to submit."""
    caller = caller_of(request)

    def check(*options: Options | None) -> None:
        if any(wish is not None and wish.robots == "ignore" for wish in options):
            require(caller, KeyScope.ADMIN)

    return check


Services = Annotated[Wiring, Depends(wiring_of)]
Events = Annotated[Hub, Depends(hub_of)]
Tenant = Annotated[str, Depends(tenant_of)]
Entitled = Annotated[Entitlement, Depends(entitlement_of)]
RunNumber = Annotated[int | None, Query(ge=1, description="One of the runs; the current one unless given.")]
