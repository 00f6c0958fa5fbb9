"""Submitting, reading, cancelling and purging jobs."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response, Security, status
from fastapi.concurrency import run_in_threadpool

from api import event_stream
from api.auth import MAY_READ, MAY_SUBMIT, SCHEME_NAME, Shown, caller_of, require
from api.dependencies import Events, RunNumber, Services, Tenant, require_json
from api.errors import Conflict, NotFound, Problem
from api.idempotency import Repeatable
from api.schemas import Accepted, JobPage, JobQuery, JobRequest, JobView, job_url
from api.security_headers import DOWNLOAD_HEADERS
from orchestration.wiring import Wiring
from pipeline.errors import JobNotFound, JobUnfinished
from pipeline.job import Job, JobState
from pipeline.keys import KeyScope
from stages.contract import Document

SUBMIT_RETRY_AFTER_S = 1

WaitS = Annotated[float, Query(ge=0, le=60, description="Answer when the job has ended, or after so many seconds.")]
Purge = Annotated[bool, Query(description="Erase a finished job with all that is kept of it.")]

problems: dict[str, Any] = {"model": Problem}
router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses={"default": problems})


@router.post(
    "",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=Accepted,
    dependencies=[MAY_SUBMIT, Depends(require_json)],
    responses={400: problems, 413: problems, 415: problems, 422: problems, 503: problems},
)
def submit(
    request: JobRequest, response: Response, services: Services, tenant: Tenant, repeatable: Repeatable
) -> Accepted:
    """Accept a job. Once this answers 202 the job is kept and will end, whatever fails in between."""
    job = services.desk.submit(request.submission(tenant), repeatable.key(request))
    accepted(response, job.id)
    return Accepted(id=job.id, url=job_url(job.id))


@router.get("", response_model=JobPage, dependencies=[MAY_READ], responses={422: problems})
def listing(services: Services, tenant: Tenant, query: Annotated[JobQuery, Query()]) -> Response | JobPage:
    """Jobs, newest first."""
    page = JobPage.of(services.records.jobs(tenant, query.where(), before=query.before, limit=query.limit), query)
    return page if query.fields is None else Response(page.sparse(query.fields), media_type="application/json")


@router.get(
    "/{job_id}",
    response_model=JobView,
    dependencies=[MAY_READ],
    responses={404: problems, 422: problems},
)
async def read(
    job_id: str, services: Services, hub: Events, tenant: Tenant, *, run: RunNumber = None, wait_s: WaitS = 0
) -> JobView:
    """A job with its stages and their attempts, as it is now or as it was in one of its runs."""
    job = await run_in_threadpool(job_of, services, tenant, job_id, run)
    if wait_s and not job.state.is_terminal:
        job = await event_stream.ended(hub, job, partial(run_in_threadpool, job_of, services, tenant, job_id), wait_s)
    return JobView.of(job, run=run)


@router.get(
    "/{job_id}/result",
    response_model=Document,
    dependencies=[MAY_READ],
    responses={404: problems, 409: problems, 410: problems, 422: problems},
)
def result(job_id: str, services: Services, tenant: Tenant, run: RunNumber = None) -> Response:
    """The final document. 409 while there is none, saying whether there will be one."""
    job = job_of(services, tenant, job_id, run)
    if job.result is None:
        raise _no_result(job)
    return Response(services.payloads.get(job.result), media_type="application/json", headers=DOWNLOAD_HEADERS)


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


def _no_result(job: Job) -> Conflict | JobUnfinished:
    match job.state:
        case JobState.FAILED if job.error is not None:
            return Conflict("job_failed", f"The job failed: {job.error.message} ({job.error.code})")
        case JobState.CANCELLED:
            return Conflict("job_cancelled", "The job was cancelled.")
        case _:
            return JobUnfinished(job.id, job.state)
