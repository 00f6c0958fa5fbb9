"""What goes out of the HTTP API about circuit breakers."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from orchestration.outbound.breakers_overview import Breaker, BreakerState, breaker_id

EXAMPLE: dict[str, Any] = {
    "id": "origin~3Aexample.org~3A443",
    "dependency": "origin:example.org:443",
    "state": "open",
    "failures": 5,
    "opened_at": "2026-11-21T10:01:40Z",
    "retry_at": "2026-11-21T10:02:10Z",
}


class BreakerView(BaseModel):
    """The circuit breaker of one dependency, which all workers share."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: str = Field(description="The dependency as part of a path: percent-encoded, with `~` for `%`.")
    dependency: str
    state: BreakerState = Field(description="`closed`: calls go ahead. `open`: they wait. `half_open`: one tries.")
    failures: int = Field(description="In a row, until it opened.")
    opened_at: datetime | None = Field(description="Since when it is not closed.")
    retry_at: datetime | None = Field(description="When one call may try again; null unless it is open.")

    @classmethod
    def of(cls, breaker: Breaker) -> Self:
        return cls(
            id=breaker_id(breaker.dependency),
            dependency=breaker.dependency,
            state=breaker.state,
            failures=breaker.failures,
            opened_at=breaker.opened_at,
            retry_at=breaker.retry_at,
        )


class BreakerList(BaseModel):
    """All breakers that are open or have counted a failure."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE]}]})

    items: list[BreakerView]
