"""Failed jobs that need somebody's attention: a view of the records, so that it cannot disagree with them."""

from typing import Annotated

from fastapi import APIRouter, Query, Response, status

from api.auth import MAY_READ, MAY_SUBMIT
from api.dependencies import Services, Tenant
from api.errors import NotFound
from api.idempotency import Repeatable
from api.routes.jobs import job_of, problems
from api.routes.runs import rerun_accepted
from api.schemas import RerunAccepted
from api.schemas_letters import LetterPage, LetterQuery, LetterView, is_dead_letter

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"], responses={"default": problems})


@router.get("", response_model=LetterPage, dependencies=[MAY_READ], responses={422: problems})
def listing(services: Services, tenant: Tenant, query: Annotated[LetterQuery, Query()]) -> LetterPage:
    """Failed jobs that were not discarded, the newest first."""
    page = services.records.jobs(tenant, query.where(), before=query.before, limit=query.limit)
    return LetterPage.of(page, query)


@router.get("/{job_id}", response_model=LetterView, dependencies=[MAY_READ], responses={404: problems})
def read(job_id: str, services: Services, tenant: Tenant) -> LetterView:
    """Why a job failed, with the traceback of a defect."""
    job = job_of(services, tenant, job_id)
    if not is_dead_letter(job):
        why = "it was discarded" if job.discarded_at else f"it is {job.state}"
        raise NotFound("dead_letter_not_found", f"job {job.id} is no dead letter: {why}")
    return LetterView.of(job)


@router.post(
    "/{job_id}/retry",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=RerunAccepted,
    dependencies=[MAY_SUBMIT],
    responses={400: problems, 404: problems, 409: problems, 422: problems, 503: problems},
)
def retry(job_id: str, response: Response, services: Services, tenant: Tenant, repeatable: Repeatable) -> RerunAccepted:
    """Continue the job at the stage that failed."""
    return rerun_accepted(response, services.reruns.retry(tenant, job_id, repeatable.key()))


@router.delete(
    "/{job_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=[MAY_SUBMIT],
    responses={404: problems, 409: problems},
)
def discard(job_id: str, services: Services, tenant: Tenant) -> None:
    """Take a failed job off the list. It stays readable, and can still be run again, until it is purged."""
    services.desk.discard(tenant, job_id)
