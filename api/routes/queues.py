"""The queues of the stages, and the workers that serve them."""

from typing import Annotated

from fastapi import APIRouter, Depends

from api.auth import MAY_ADMIN
from api.dependencies import Services
from api.errors import UNAVAILABLE, NotFound
from api.openapi import coded
from api.routes.jobs import problems
from api.schemas_queues import PauseView, QueueList, QueueView, WorkerList, WorkerView
from pipeline.errors import UnknownStage

missing = coded(404, "unknown_stage", 'there is no stage "translate"; known are fetch, extract, summarize, store')
down = coded(503, "service_unavailable", UNAVAILABLE)
router = APIRouter(prefix="/v1", tags=["operation"], dependencies=[MAY_ADMIN], responses={"default": problems})


def known_stage(stage: str, services: Services) -> str:
    """The stage that a path names."""
    try:
        return services.catalog.stage(stage).name
    except UnknownStage as error:
        raise NotFound("unknown_stage", str(error)) from None


KnownStage = Annotated[str, Depends(known_stage)]


@router.get("/queues", response_model=QueueList, responses={503: down})
def listing(services: Services) -> QueueList:
    """What waits at each stage, since when, and who works on it. 503 when the broker or the database is down."""
    states = services.queue_desk.states()
    return QueueList(transport=services.queues.transport, items=[QueueView.of(state) for state in states])


@router.post("/queues/{stage}/pause", response_model=PauseView, responses={404: missing, 503: down})
def pause(stage: KnownStage, services: Services) -> PauseView:
    """Have the workers of a stage begin nothing new, within 2 s and until it is resumed; what they run they finish.

    Nothing is lost: jobs wait, retries too. A second pause changes nothing. Works while the broker is down.
    """
    return PauseView.since(stage, services.queue_desk.pause(stage))


@router.post("/queues/{stage}/resume", response_model=PauseView, responses={404: missing, 503: down})
def resume(stage: KnownStage, services: Services) -> PauseView:
    """Let the workers of a stage go on, within 2 s. Changes nothing unless it is paused."""
    services.queue_desk.resume(stage)
    return PauseView.since(stage, None)


@router.get("/workers", response_model=WorkerList, responses={503: down})
def workers(services: Services) -> WorkerList:
    """The worker processes that live, by name. One that was killed is among them for up to 10 s."""
    return WorkerList(items=[WorkerView.of(busy) for busy in services.queue_desk.workers()])
