"""Live events of one job, or of all."""

from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.concurrency import run_in_threadpool

from api import event_stream
from api.auth import MAY_READ
from api.dependencies import Events, Services, Tenant
from api.event_stream import Choice
from api.routes.jobs import job_of, problems
from api.streaming import EventStream
from orchestration.streams.tail import id_of
from orchestration.streams.window import StreamId
from pipeline.events import EventKind
from pipeline.job import Job, Lane

router = APIRouter(prefix="/v1", tags=["events"], responses={"default": problems})

UNBUFFERED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

LastEventId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        pattern=r"^\d{1,19}-\d{1,19}$",
        description="The id of the last event seen; browsers send it themselves.",
    ),
]


@router.get(
    "/jobs/{job_id}/events",
    dependencies=[MAY_READ],
    response_class=EventStream,
    responses={200: {"description": "Server-sent events."}, 404: problems, 422: problems},
)
async def of_job(
    job_id: str, hub: Events, services: Services, tenant: Tenant, last_event_id: LastEventId = None
) -> EventStream:
    """What happened to a job and what happens, until its run has ended.

    Each event has its name, its id, and JSON. What the stream has forgotten comes as one `snapshot`. While a language
    model writes a summary, it comes in pieces: `summary.delta`, without ids.
    """
    seen = seen_by(last_event_id)
    await run_in_threadpool(job_of, services, tenant, job_id)

    async def read() -> Job | None:
        return await run_in_threadpool(services.records.job, tenant, job_id)

    return EventStream(event_stream.of_job(hub, job_id, read, seen), headers=UNBUFFERED)


@router.get(
    "/events",
    dependencies=[MAY_READ],
    response_class=EventStream,
    responses={200: {"description": "Server-sent events."}, 422: problems},
)
async def of_all(
    hub: Events,
    tenant: Tenant,
    *,
    last_event_id: LastEventId = None,
    event: Annotated[list[EventKind] | None, Query(description="Only these; repeat it for several.")] = None,
    pipeline: str | None = None,
    lane: Lane | None = None,
) -> EventStream:
    """What happens to all jobs from now on, or after the last event seen. An event `gap` says that some are missing."""
    choice = Choice(tenant, frozenset(event or ()), pipeline, lane)
    return EventStream(event_stream.of_all(hub, choice, seen_by(last_event_id)), headers=UNBUFFERED)


def seen_by(last_event_id: str | None) -> StreamId | None:
    """The last event that a client says it has seen."""
    return None if last_event_id is None else id_of(last_event_id.encode())
