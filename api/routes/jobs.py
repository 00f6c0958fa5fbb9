"""Submitting, reading, cancelling and purging jobs."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response, Security, status
from fastapi.concurrency import run_in_threadpool

from api import event_stream
from api.auth import MAY_READ, MAY_SUBMIT, SCHEME_NAME, Shown, caller_of, require
from api.conditional import IfNoneMatch, is_known, not_modified, strong_tag, weak_tag
from api.dependencies import Entitled, Events, RunNumber, Services, Tenant, require_json
from api.errors import Conflict, NotAcceptable, NotFound, Problem
from api.html import as_html
from api.idempotency import Repeatable
from api.negotiation import preferred
from api.schemas import Dedupe, JobPage, JobQuery, JobSubmission, JobView, Submitted, job_url
from api.security_headers import DOWNLOAD_HEADERS
from orchestration.submit import Desk, Submission
from orchestration.wiring import Wiring
from pipeline.errors import JobNotFound, JobUnfinished
from pipeline.idempotency import IdempotencyKey
from pipeline.job import Job, JobState
from pipeline.keys import KeyScope
from stages.contract import Document

SUBMIT_RETRY_AFTER_S = 1

FORMS = {"application/json": "", "text/markdown": "markdown", "text/plain": "text", "text/html": "html"}
"""Media types of a result, and what of the document is in it; nothing for all."""

FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "HTML, Markdown, plain text, PDF or a feed."},
        "job": {"type": "string", "description": "The other fields of a job, as JSON."},
    },
}
"""A file instead of a URL."""

Accept = Annotated[str | None, Header(description=f"One of {', '.join(FORMS)}; the first unless given.")]
WaitS = Annotated[float, Query(ge=0, le=60, description="Answer when the job has ended, or after so many seconds.")]
Purge = Annotated[bool, Query(description="Erase a finished job with all that is kept of it.")]

problems: dict[str, Any] = {"model": Problem}
router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses={"default": problems})


@router.post(
    "",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=Submitted,
    dependencies=[MAY_SUBMIT, Depends(require_json)],
    openapi_extra={"requestBody": {"content": {"multipart/form-data": {"schema": FORM}}}},
    responses={
        200: {"model": Submitted, "description": "A job has done the same."},
        400: problems,
        413: problems,
        415: problems,
        422: problems,
        503: problems,
    },
)
def submit(
    request: JobSubmission,
    response: Response,
    services: Services,
    tenant: Tenant,
    *,
    repeatable: Repeatable,
    entitled: Entitled,
) -> Submitted:
    """Accept a job. Once this answers 202 the job is kept and will end, whatever fails in between.

    200 with a job that has done the same, where `dedupe` allows it.
    """
    key = repeatable.key(request)
    wish = request.submission(tenant)
    entitled(wish.options)
    return submitted(services.desk, wish, request.dedupe, key, response)


def submitted(
    desk: Desk, wish: Submission, dedupe: Dedupe | None, key: IdempotencyKey | None, response: Response
) -> Submitted:
    """Accept a job, or name one that has done the same."""
    done = None if dedupe is None else desk.done_before(wish, dedupe.max_age_s)
    if done is not None:
        response.status_code = status.HTTP_200_OK
        response.headers["Location"] = job_url(done.id)
        return Submitted(id=done.id, status=done.state, url=job_url(done.id), cached=True)
    job = desk.submit(wish, key)
    accepted(response, job.id)
    return Submitted(id=job.id, url=job_url(job.id))


@router.get("", response_model=JobPage, dependencies=[MAY_READ], responses={422: problems})
def listing(services: Services, tenant: Tenant, query: Annotated[JobQuery, Query()]) -> Response | JobPage:
    """Jobs, newest first."""
    page = JobPage.of(services.records.jobs(tenant, query.where(), before=query.before, limit=query.limit), query)
    return page if query.fields is None else Response(page.sparse(query.fields), media_type="application/json")


@router.get(
    "/{job_id}",
    response_model=JobView,
    dependencies=[MAY_READ],
    responses={304: {"description": "Not changed."}, 404: problems, 422: problems},
)
async def read(
    job_id: str,
    response: Response,
    services: Services,
    hub: Events,
    tenant: Tenant,
    *,
    run: RunNumber = None,
    wait_s: WaitS = 0,
    if_none_match: IfNoneMatch = None,
) -> Response | JobView:
    """A job with its stages and their attempts, as it is now or as it was in one of its runs."""
    job = await run_in_threadpool(job_of, services, tenant, job_id, run)
    if wait_s and not job.state.is_terminal:
        job = await event_stream.ended(hub, job, partial(run_in_threadpool, job_of, services, tenant, job_id), wait_s)
    view = JobView.of(job, run=run)
    response.headers["ETag"] = weak_tag(view)
    known = is_known(response.headers["ETag"], if_none_match)
    return not_modified({"ETag": response.headers["ETag"]}) if known else view


@router.get(
    "/{job_id}/result",
    response_model=Document,
    dependencies=[MAY_READ],
    responses={
        200: {"content": {"text/markdown": {}, "text/plain": {}, "text/html": {}}},
        304: {"description": "Not changed."},
        404: problems,
        406: problems,
        409: problems,
        410: problems,
        422: problems,
    },
)
def result(
    job_id: str,
    services: Services,
    tenant: Tenant,
    *,
    run: RunNumber = None,
    accept: Accept = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The final document, or its article as Markdown, plain text or safe HTML. 409 while there is none, saying why."""
    job = job_of(services, tenant, job_id, run)
    if job.result is None:
        raise _no_result(job)
    form = preferred(accept, list(FORMS))
    if form is None:
        raise NotAcceptable(f"The result can be had as {', '.join(FORMS)}.")
    headers = {**DOWNLOAD_HEADERS, "ETag": strong_tag(job.result.sha256, FORMS[form]), "Vary": "Accept"}
    if is_known(headers["ETag"], if_none_match):
        return not_modified(headers)
    return Response(_written(services.payloads.get(job.result), form), media_type=form, headers=headers)


async def may_cancel_or_purge(request: Request, _shown: Shown, purge: Purge = False) -> None:
    """Whoever submits may cancel, but not erase."""
    require(caller_of(request), KeyScope.ADMIN if purge else KeyScope.SUBMIT)


@router.delete(
    "/{job_id}",
    response_model=JobView,
    dependencies=[Security(may_cancel_or_purge, scopes=[KeyScope.SUBMIT])],
    openapi_extra={"security": [{SCHEME_NAME: [KeyScope.ADMIN]}]},
    responses={204: {"description": "Purged."}, 404: problems, 409: problems, 422: problems},
)
def cancel(job_id: str, services: Services, tenant: Tenant, purge: Purge = False) -> Response | JobView:
    """Cancel a job that has not finished. What is running stops soon; nothing is stored any more."""
    if purge:
        services.desk.purge(tenant, job_id)
        return Response(status_code=status.HTTP_204_NO_CONTENT)
    return JobView.of(services.desk.cancel(tenant, job_id))


def accepted(response: Response, job_id: str) -> None:
    """Say where a job is found that will run, and when to look."""
    response.headers["Location"] = job_url(job_id)
    response.headers["Retry-After"] = str(SUBMIT_RETRY_AFTER_S)


def job_of(services: Wiring, tenant: str, job_id: str, run: int | None = None) -> Job:
    """A job, as it is now or as it was in one of its runs. Raises `JobNotFound` or `NotFound`."""
    job = services.records.job(tenant, job_id, run)
    if job is not None:
        return job
    if run is not None and services.records.job(tenant, job_id) is not None:
        raise NotFound("run_not_found", f"job {job_id} has no run {run}")
    raise JobNotFound(job_id)


def _written(stored: bytes, form: str) -> bytes:
    """The stored document in one of the forms."""
    if not FORMS[form]:
        return stored
    document = Document.from_bytes(stored)
    match FORMS[form]:
        case "markdown":
            return document.markdown.encode()
        case "html":
            return as_html(document).encode()
        case _:
            return document.text.encode()


def _no_result(job: Job) -> Conflict | JobUnfinished:
    match job.state:
        case JobState.FAILED if job.error is not None:
            return Conflict("job_failed", f"The job failed: {job.error.message} ({job.error.code})")
        case JobState.CANCELLED:
            return Conflict("job_cancelled", "The job was cancelled.")
        case _:
            return JobUnfinished(job.id, job.state)
