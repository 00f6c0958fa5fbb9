"""Whether the process lives, and whether it can do its work."""

from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from api.dependencies import Services
from pipeline.errors import MachineryFailed

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """What the process needs, and whether it is there: `ok` or a sentence."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, str]


@router.get("/healthz")
def alive() -> Alive:
    """Answers as long as the process lives; touches nothing."""
    return Alive()


@router.get("/readyz", responses={503: {"model": Readiness}})
def ready(response: Response, services: Services) -> Readiness:
    """Checks database, payload store and broker."""
    checks = {
        "records": _outcome(services.records.check),
        "payloads": _outcome(services.payloads.check),
        "broker": _outcome(services.check_broker),
    }
    ok = all(outcome == "ok" for outcome in checks.values())
    response.status_code = 200 if ok else 503
    return Readiness(status="ok" if ok else "unavailable", checks=checks)


def _outcome(check: Callable[[], None]) -> str:
    try:
        check()
    except MachineryFailed as error:
        return str(error)
    return "ok"
