"""The circuit breakers that all workers share."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from api.auth import MAY_ADMIN
from api.dependencies import Services
from api.errors import UNAVAILABLE
from api.openapi import coded
from api.routes.jobs import problems
from api.schemas_breakers import EXAMPLE, BreakerList, BreakerView
from orchestration.outbound.breakers_overview import dependency_of
from orchestration.outbound.breakers_states import LONGEST_PAUSE_S, OPERATORS_PAUSE_S
from pipeline.errors import BreakerNotFound

missing = coded(404, BreakerNotFound.code, str(BreakerNotFound(EXAMPLE["dependency"])))
invalid = coded(422, "invalid_request", "for_s: Input should be greater than 0")
down = coded(503, "service_unavailable", UNAVAILABLE)
router = APIRouter(prefix="/v1/breakers", tags=["operation"], dependencies=[MAY_ADMIN], responses={"default": problems})

BreakerId = Annotated[str, Path(description="From a listing.", examples=[EXAMPLE["id"]])]
Seconds = Annotated[float, Query(gt=0, le=LONGEST_PAUSE_S, description="For how long, in seconds.")]


@router.get("", response_model=BreakerList, responses={503: down})
def listing(services: Services) -> BreakerList:
    """All that are open, or have counted a failure in the last hour."""
    return BreakerList(items=[BreakerView.of(breaker) for breaker in services.breaker_desk.breakers()])


@router.post("/{breaker_id}/open", response_model=BreakerView, responses={422: invalid, 503: down})
def trip(breaker_id: BreakerId, services: Services, for_s: Seconds = OPERATORS_PAUSE_S) -> BreakerView:
    """Keep all workers from a dependency, from the next call on; then one of them tries it.

    Stages that need it are postponed. That is no pause: after 15 minutes of it their jobs fail.
    """
    return BreakerView.of(services.breaker_desk.open(dependency_of(breaker_id), for_s))


@router.post("/{breaker_id}/reset", response_model=BreakerView, responses={404: missing, 503: down})
def reset(breaker_id: BreakerId, services: Services) -> BreakerView:
    """Let the workers call again, and forget the failures."""
    return BreakerView.of(services.breaker_desk.reset(dependency_of(breaker_id)))
