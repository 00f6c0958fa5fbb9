"""Many jobs in one request: submitting, following, cancelling them, and getting their results."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response, status
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from api import batch_events, batch_results
from api.auth import MAY_READ, MAY_SUBMIT
from api.batch_items import Intake, intake_of
from api.dependencies import Events, Services, Tenant
from api.errors import NotAcceptable
from api.idempotency import Repeatable
from api.negotiation import preferred
from api.routes.events import UNBUFFERED, LastEventId, seen_by
from api.routes.jobs import SUBMIT_RETRY_AFTER_S, problems
from api.schemas import JobPage, JobSummary, PageQuery
from api.schemas_batches import BODY, NDJSON, ZIP, BatchHeader, BatchJobQuery, BatchList, BatchView, batch_url
from api.schemas_bulk import BulkActionView, bulk_url
from api.security_headers import DOWNLOAD_HEADERS
from api.streaming import EventStream
from orchestration.wiring import Wiring
from pipeline.batches import Batch
from pipeline.bulk import BulkVerb
from pipeline.idempotency import IdempotencyKey
from pipeline.job import JobState
from pipeline.ports import JobFilter

FORMS = {NDJSON: ("ndjson", batch_results.as_lines), ZIP: ("zip", batch_results.as_zip)}
"""Media types of the results of a batch: how the name of a file ends, and who writes it."""

Accept = Annotated[str | None, Header(description=f"One of {', '.join(FORMS)}; the first unless given.")]

router = APIRouter(prefix="/v1/batches", tags=["batches"], responses={"default": problems})


@router.post(
    "",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=BatchView,
    dependencies=[MAY_SUBMIT],
    openapi_extra={"requestBody": BODY},
    responses={400: problems, 409: problems, 413: problems, 415: problems, 422: problems, 503: problems},
)
async def submit(
    request: Request,
    response: Response,
    services: Services,
    tenant: Tenant,
    *,
    query: Annotated[BatchHeader, Query()],
    repeatable: Repeatable,
) -> Response | BatchView:
    """Accept many jobs, as JSON or as a line of JSON each. Items that cannot become jobs are told by their index.

    Or make them of the entries of a sitemap, a feed or an OPML file, which is read after the answer.

    Items are kept as they come, 500 in one transaction. A request that was cut off goes on where it was when it is
    sent again with the same `Idempotency-Key`.
    """
    intake = await intake_of(request, query)
    key = repeatable.unchecked(intake.header)
    try:
        batch, is_replay = await _submitted(intake, services, tenant, key)
    except ClientDisconnect:
        return Response(status_code=status.HTTP_400_BAD_REQUEST)  # Nobody reads it.
    response.headers["Location"] = batch_url(batch.id)
    response.headers["Retry-After"] = str(SUBMIT_RETRY_AFTER_S)
    if is_replay:
        response.headers["Idempotency-Replayed"] = "true"
    return BatchView.of(batch, services.clock.now())


async def _submitted(intake: Intake, services: Wiring, tenant: str, key: IdempotencyKey | None) -> tuple[Batch, bool]:
    """The batch, and whether an earlier request has made it."""
    digest = intake.digest(tenant)
    if (source := intake.source) is not None:
        batch, is_new = await run_in_threadpool(services.batches.expand, intake.order(source, tenant), key, digest)
        return batch, not is_new
    receiver = await run_in_threadpool(services.batches.open, tenant, intake.header.name, key, digest)
    return await intake.into(receiver, tenant), receiver.is_replay


@router.get("", response_model=BatchList, dependencies=[MAY_READ], responses={422: problems})
def listing(services: Services, tenant: Tenant, query: Annotated[PageQuery, Query()]) -> BatchList:
    """Batches, newest first."""
    page = services.records.batches(tenant, before=query.before, limit=query.limit)
    return BatchList.of(page, query, services.clock.now())


@router.get("/{batch_id}", response_model=BatchView, dependencies=[MAY_READ], responses={404: problems})
def read(batch_id: str, services: Services, tenant: Tenant) -> BatchView:
    """How far a batch has come."""
    return BatchView.of(services.batches.read(tenant, batch_id), services.clock.now())


@router.delete("/{batch_id}", response_model=BatchView, dependencies=[MAY_SUBMIT], responses={404: problems})
def cancel(batch_id: str, services: Services, tenant: Tenant) -> BatchView:
    """Cancel all jobs that have not ended: those that were not launched yet at once, the others within seconds."""
    return BatchView.of(services.batches.cancel(tenant, batch_id), services.clock.now())


@router.get(
    "/{batch_id}/jobs", response_model=JobPage, dependencies=[MAY_READ], responses={404: problems, 422: problems}
)
def jobs(batch_id: str, services: Services, tenant: Tenant, query: Annotated[BatchJobQuery, Query()]) -> JobPage:
    """Jobs of a batch, the last item first."""
    batch = services.batches.read(tenant, batch_id)
    page = services.records.jobs(tenant, query.where(batch.id), before=query.before, limit=query.limit)
    items = [JobSummary.of(job) for job in page.items]
    return JobPage(items=items, next=query.after(page, f"{batch_url(batch.id)}/jobs"))


@router.post(
    "/{batch_id}/retry-failed",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=BulkActionView,
    dependencies=[MAY_SUBMIT],
    responses={404: problems, 503: problems},
)
def retry_failed(batch_id: str, response: Response, services: Services, tenant: Tenant) -> BulkActionView:
    """Continue all jobs that failed and were not discarded where they stopped, as a bulk action."""
    batch = services.batches.read(tenant, batch_id)
    failed = JobFilter(states=(JobState.FAILED,), discarded=False, batch_id=batch.id)
    action = services.bulk.record(tenant, BulkVerb.RETRY, failed)
    response.headers["Location"] = bulk_url(action.id)
    response.headers["Retry-After"] = str(SUBMIT_RETRY_AFTER_S)
    return BulkActionView.of(action)


@router.get(
    "/{batch_id}/results",
    response_class=StreamingResponse,
    dependencies=[MAY_READ],
    responses={
        200: {"description": "Lines of JSON, or an archive.", "content": {NDJSON: {}, ZIP: {}}},
        404: problems,
        406: problems,
    },
)
def results(batch_id: str, services: Services, tenant: Tenant, accept: Accept = None) -> StreamingResponse:
    """How all jobs ended that have ended by now, in the order of the items: as lines of JSON, or as a ZIP archive."""
    batch = services.batches.read(tenant, batch_id)
    form = preferred(accept, list(FORMS))
    if form is None:
        raise NotAcceptable(f"The results can be had as {' and '.join(FORMS)}.")
    suffix, written = FORMS[form]
    named = {"Content-Disposition": f'attachment; filename="batch-{batch.id}.{suffix}"', "Vary": "Accept"}
    content = written(services.records, services.payloads, batch)
    return StreamingResponse(content, media_type=form, headers={**DOWNLOAD_HEADERS, **named})


@router.get(
    "/{batch_id}/events",
    response_class=EventStream,
    dependencies=[MAY_READ],
    responses={200: {"description": "Server-sent events."}, 404: problems, 422: problems},
)
async def events(
    batch_id: str, hub: Events, services: Services, tenant: Tenant, last_event_id: LastEventId = None
) -> EventStream:
    """What happens to the jobs of a batch from now on, and `batch.progress`, until all have ended."""
    seen = seen_by(last_event_id)
    batch = await run_in_threadpool(services.batches.read, tenant, batch_id)

    async def read_again() -> Batch | None:
        return await run_in_threadpool(services.records.batch, tenant, batch.id)

    stream = batch_events.of_batch(hub, batch.id, read_again, services.clock.now, seen)
    return EventStream(stream, headers=UNBUFFERED)
