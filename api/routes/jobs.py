"""Submitting, reading and cancelling jobs."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response, status

from api.dependencies import Services, Tenant, require_json
from api.errors import Conflict, Problem
from api.schemas import Accepted, JobPage, JobRequest, JobView, job_url
from pipeline.errors import JobNotFound
from pipeline.job import Job, JobState
from stages.contract import Document

SUBMIT_RETRY_AFTER_S = 1
MAX_PAGE = 200

problems: dict[str, Any] = {"model": Problem}
router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses={"default": problems})


@router.post(
    "",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=Accepted,
    dependencies=[Depends(require_json)],
    responses={400: problems, 413: problems, 415: problems, 422: problems, 503: problems},
)
def submit(request: JobRequest, response: Response, services: Services, tenant: Tenant) -> Accepted:
    """Accept a job. Once this answers 202 the job is kept and will end, whatever fails in between."""
    job = services.desk.submit(request.submission(tenant))
    response.headers["Location"] = job_url(job.id)
    response.headers["Retry-After"] = str(SUBMIT_RETRY_AFTER_S)
    return Accepted(id=job.id, url=job_url(job.id))


@router.get("", response_model=JobPage, responses={422: problems})
def listing(
    services: Services,
    tenant: Tenant,
    status: Annotated[JobState | None, Query(description="Only jobs in this state.")] = None,
    cursor: Annotated[UUID | None, Query(description="From `next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> JobPage:
    """Jobs, newest first."""
    page = services.records.jobs(tenant, state=status, before=str(cursor) if cursor else None, limit=limit)
    return JobPage.of(page.jobs, more=page.more, limit=limit, status=status)


@router.get("/{job_id}", response_model=JobView, responses={404: problems})
def read(job_id: str, services: Services, tenant: Tenant) -> JobView:
    """A job with its stages and their attempts."""
    return JobView.of(_job(services, tenant, job_id))


@router.get("/{job_id}/result", response_model=Document, responses={404: problems, 409: problems, 410: problems})
def result(job_id: str, services: Services, tenant: Tenant) -> Response:
    """The final document. 409 while there is none, saying whether there will be one."""
    job = _job(services, tenant, job_id)
    if job.result is None:
        raise _no_result(job)
    return Response(services.payloads.get(job.result), media_type="application/json")


@router.delete("/{job_id}", response_model=JobView, responses={404: problems, 409: problems})
def cancel(job_id: str, services: Services, tenant: Tenant) -> JobView:
    """Cancel a job that has not finished. What is running stops soon; nothing is stored any more."""
    return JobView.of(services.desk.cancel(tenant, job_id))


def _job(services: Services, tenant: str, job_id: str) -> Job:
    job = services.records.job(tenant, job_id)
    if job is None:
        raise JobNotFound(job_id)
    return job


def _no_result(job: Job) -> Conflict:
    match job.state:
        case JobState.FAILED if job.error is not None:
            return Conflict("job_failed", f"The job failed: {job.error.message} ({job.error.code})")
        case JobState.CANCELLED:
            return Conflict("job_cancelled", "The job was cancelled.")
        case _:
            return Conflict("job_unfinished", f"The job is {job.state}.", retry_after_s=SUBMIT_RETRY_AFTER_S)
