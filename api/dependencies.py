"""What routes are handed: the services of this process, and who is asking."""

from typing import Annotated

from fastapi import Depends, Request

from orchestration.wiring import Wiring
from pipeline.job import DEFAULT_TENANT


def wiring_of(request: Request) -> Wiring:
    """The services that the app was made with."""
    wiring: Wiring = request.app.state.wiring
    return wiring


def tenant_of() -> str:
    """Whose jobs are asked for."""
    return DEFAULT_TENANT


Services = Annotated[Wiring, Depends(wiring_of)]
Tenant = Annotated[str, Depends(tenant_of)]
