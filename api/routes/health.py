"""Whether the process lives, and whether it can do its work."""

import logging
from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from api.dependencies import Services
from pipeline.errors import MachineryFailed

log = logging.getLogger(__name__)

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """What the process needs, and whether it is there. Why it is not says the log: anybody may ask here."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, Literal["ok", "unavailable"]]


@router.get("/healthz")
def alive() -> Alive:
    """Answers as long as the process lives; touches nothing."""
    return Alive()


@router.get("/readyz", responses={503: {"model": Readiness}})
def ready(response: Response, services: Services) -> Readiness:
    """Checks database, payload store and broker."""
    checks = {
        "records": _outcome("records", services.records.check),
        "payloads": _outcome("payloads", services.payloads.check),
        "broker": _outcome("broker", services.check_broker),
    }
    ok = all(outcome == "ok" for outcome in checks.values())
    response.status_code = 200 if ok else 503
    return Readiness(status="ok" if ok else "unavailable", checks=checks)


def _outcome(name: str, check: Callable[[], None]) -> Literal["ok", "unavailable"]:
    try:
        check()
    except MachineryFailed as error:
        log.warning("not ready: %s: %s", name, error)
        return "unavailable"
    return "ok"
