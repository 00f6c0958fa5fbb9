"""Running finished jobs again, and their runs."""

from fastapi import APIRouter, Depends, Response, status

from api.auth import MAY_READ, MAY_SUBMIT
from api.dependencies import Entitled, Services, Tenant, require_json
from api.idempotency import Repeatable
from api.routes.jobs import accepted, problems
from api.schemas import RerunAccepted, job_url
from api.schemas_runs import ReplayRequest, RunList
from pipeline.errors import JobNotFound
from pipeline.job import Job

router = APIRouter(prefix="/v1/jobs", tags=["runs"], responses={"default": problems})


@router.post(
    "/{job_id}/retry",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=RerunAccepted,
    dependencies=[MAY_SUBMIT],
    responses={400: problems, 404: problems, 409: problems, 422: problems, 503: problems},
)
def retry(job_id: str, response: Response, services: Services, tenant: Tenant, repeatable: Repeatable) -> RerunAccepted:
    """Continue a failed or cancelled job at the stage where it stopped, in a run of its own."""
    return rerun_accepted(response, services.reruns.retry(tenant, job_id, repeatable.key()))


@router.post(
    "/{job_id}/replay",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=RerunAccepted,
    dependencies=[MAY_SUBMIT, Depends(require_json)],
    responses={400: problems, 404: problems, 409: problems, 413: problems, 415: problems, 422: problems, 503: problems},
)
def replay(
    job_id: str,
    request: ReplayRequest,
    response: Response,
    services: Services,
    tenant: Tenant,
    *,
    repeatable: Repeatable,
    entitled: Entitled,
) -> RerunAccepted:
    """Start a finished job again from any stage whose input is still kept, in a run of its own."""
    key = repeatable.key(request)
    entitled(request.options)
    job = services.reruns.replay(tenant, job_id, request.from_stage, request.options, key)
    return rerun_accepted(response, job)


@router.get("/{job_id}/runs", response_model=RunList, dependencies=[MAY_READ], responses={404: problems})
def listing(job_id: str, services: Services, tenant: Tenant) -> RunList:
    """All runs of a job, in order."""
    runs = services.records.runs(tenant, job_id)
    if not runs:
        raise JobNotFound(job_id)
    return RunList.of(job_id, runs)


def rerun_accepted(response: Response, job: Job) -> RerunAccepted:
    """The answer once a job was opened again."""
    accepted(response, job.id)
    return RerunAccepted(id=job.id, url=job_url(job.id), run=job.run)
