"""Schedules: jobs and batches that are submitted at times that are told once."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response, status

from api.auth import MAY_READ, MAY_SUBMIT
from api.dependencies import Entitled, Services, Tenant, require_json
from api.routes.jobs import problems
from api.schemas import PageQuery
from api.schemas_schedules import (
    FiringList,
    FiringView,
    ScheduleList,
    SchedulePatch,
    ScheduleRequest,
    ScheduleView,
    schedule_url,
)

router = APIRouter(prefix="/v1/schedules", tags=["schedules"], responses={"default": problems})

OfBody: dict[int | str, Any] = {400: problems, 413: problems, 415: problems, 422: problems}


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    response_model=ScheduleView,
    dependencies=[MAY_SUBMIT, Depends(require_json)],
    responses={**OfBody, 503: problems},
)
def create(
    request: ScheduleRequest, response: Response, services: Services, tenant: Tenant, entitled: Entitled
) -> ScheduleView:
    """Make a schedule. What it is to submit is looked at now, and again each time it fires."""
    timetable = request.timetable(services.clock.now())
    order = request.ordered(tenant)
    entitled(*(item.options for item in order.items))
    schedule = services.schedules.create(tenant, request.name, timetable, request.catch_up, order)
    response.headers["Location"] = schedule_url(schedule.id)
    return ScheduleView.of(schedule)


@router.get("", response_model=ScheduleList, dependencies=[MAY_READ], responses={422: problems})
def listing(services: Services, tenant: Tenant, query: Annotated[PageQuery, Query()]) -> ScheduleList:
    """Schedules, newest first."""
    return ScheduleList.of(services.records.schedules(tenant, before=query.before, limit=query.limit), query)


@router.get("/{schedule_id}", response_model=ScheduleView, dependencies=[MAY_READ], responses={404: problems})
def read(schedule_id: str, services: Services, tenant: Tenant) -> ScheduleView:
    """A schedule, with what it submits and when it does so next."""
    return ScheduleView.of(services.schedules.read(tenant, schedule_id))


@router.patch(
    "/{schedule_id}",
    response_model=ScheduleView,
    dependencies=[MAY_SUBMIT, Depends(require_json)],
    responses={**OfBody, 404: problems},
)
def change(
    schedule_id: str, request: SchedulePatch, services: Services, tenant: Tenant, entitled: Entitled
) -> ScheduleView:
    """Change a schedule. Other times count from now; a paused one stays paused."""
    order = request.order(tenant)
    entitled(*(item.options for item in (order.items if order else ())))
    schedule = services.schedules.change(
        tenant,
        schedule_id,
        name=request.name,
        times=request.times(),
        catch_up=request.catch_up,
        order=order,
    )
    return ScheduleView.of(schedule)


@router.delete(
    "/{schedule_id}", status_code=status.HTTP_204_NO_CONTENT, dependencies=[MAY_SUBMIT], responses={404: problems}
)
def delete(schedule_id: str, services: Services, tenant: Tenant) -> None:
    """Erase a schedule and the record of its firings. Jobs and batches that it has submitted stay."""
    services.records.delete_schedule(tenant, schedule_id)


@router.post("/{schedule_id}/pause", response_model=ScheduleView, dependencies=[MAY_SUBMIT], responses={404: problems})
def pause(schedule_id: str, services: Services, tenant: Tenant) -> ScheduleView:
    """Have it not fire until it is resumed."""
    return ScheduleView.of(services.schedules.pause(tenant, schedule_id))


@router.post("/{schedule_id}/resume", response_model=ScheduleView, dependencies=[MAY_SUBMIT], responses={404: problems})
def resume(schedule_id: str, services: Services, tenant: Tenant) -> ScheduleView:
    """Have it fire again, from its next time on. Times that came while it was paused are not made up for."""
    return ScheduleView.of(services.schedules.resume(tenant, schedule_id))


@router.post(
    "/{schedule_id}/run",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=FiringView,
    dependencies=[MAY_SUBMIT],
    responses={404: problems, 503: problems},
)
def run(schedule_id: str, services: Services, tenant: Tenant) -> FiringView:
    """Fire now, also while it is paused. The plan stays as it is."""
    return FiringView.of(services.schedules.run(tenant, schedule_id))


@router.get(
    "/{schedule_id}/runs",
    response_model=FiringList,
    dependencies=[MAY_READ],
    responses={404: problems, 422: problems},
)
def runs(schedule_id: str, services: Services, tenant: Tenant, query: Annotated[PageQuery, Query()]) -> FiringList:
    """Its firings with what each has submitted, newest first."""
    page = services.records.firings(tenant, schedule_id, before=query.before, limit=query.limit)
    return FiringList.of(schedule_id, page, query)
