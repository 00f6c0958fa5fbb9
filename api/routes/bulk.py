"""Actions on many jobs."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response, status

from api.auth import MAY_READ, MAY_SUBMIT
from api.dependencies import Services, Tenant, require_json
from api.routes.jobs import SUBMIT_RETRY_AFTER_S, problems
from api.schemas import PageQuery
from api.schemas_bulk import BulkActionPage, BulkActionView, BulkRequest, PreviewView, bulk_url
from pipeline.errors import BulkActionNotFound

router = APIRouter(prefix="/v1", tags=["bulk actions"], responses={"default": problems})


@router.post(
    "/jobs/bulk-actions",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=BulkActionView,
    dependencies=[MAY_SUBMIT, Depends(require_json)],
    responses={
        200: {"model": PreviewView, "description": "A preview: nothing was recorded."},
        400: problems,
        413: problems,
        415: problems,
        422: problems,
        503: problems,
    },
)
def act(request: BulkRequest, response: Response, services: Services, tenant: Tenant) -> Response | BulkActionView:
    """Do something to many jobs: those that match now, one after the other, behind all new work."""
    if request.preview:
        preview = PreviewView.of(services.bulk.preview(tenant, request.jobs))
        return Response(preview.model_dump_json(), media_type="application/json")
    action = services.bulk.record(
        tenant, request.action, request.jobs, from_stage=request.from_stage, options=request.options
    )
    response.headers["Location"] = bulk_url(action.id)
    response.headers["Retry-After"] = str(SUBMIT_RETRY_AFTER_S)
    return BulkActionView.of(action)


@router.get("/bulk-actions", response_model=BulkActionPage, dependencies=[MAY_READ], responses={422: problems})
def listing(services: Services, tenant: Tenant, query: Annotated[PageQuery, Query()]) -> BulkActionPage:
    """Actions, newest first."""
    return BulkActionPage.of(services.records.bulks(tenant, before=query.before, limit=query.limit), query)


@router.get(
    "/bulk-actions/{action_id}",
    response_model=BulkActionView,
    dependencies=[MAY_READ],
    responses={404: problems},
)
def read(action_id: str, services: Services, tenant: Tenant) -> BulkActionView:
    """How far an action has come."""
    action = services.records.bulk(tenant, action_id)
    if action is None:
        raise BulkActionNotFound(action_id)
    return BulkActionView.of(action)


@router.post(
    "/bulk-actions/{action_id}/abort",
    response_model=BulkActionView,
    dependencies=[MAY_SUBMIT],
    responses={404: problems},
)
def abort(action_id: str, services: Services, tenant: Tenant) -> BulkActionView:
    """Stop an action where it is; what it has done stays done."""
    return BulkActionView.of(services.bulk.abort(tenant, action_id))
