"""What can be asked of the service about schedules."""

from collections.abc import Iterable
from datetime import datetime
from typing import TypedDict

from api.client.calls import Call, JobFields, answered, nothing, plain, quoted
from api.schemas_schedules import SCHEDULES, FiringList, FiringView, ScheduleList, ScheduleView, runs_url, schedule_url
from pipeline.job import Lane
from pipeline.schedules import CatchUp


class BatchFields(TypedDict, total=False):
    """A batch that is submitted again and again."""

    name: str
    lane: Lane | str
    """For those that do not say theirs, `bulk` unless given."""
    defaults: JobFields
    """What items need not say."""
    items: Iterable[JobFields]


class ScheduleFields(TypedDict, total=False):
    """What a schedule is made of. Give one of `cron` and `interval_s`, and one of `job` and `batch`."""

    name: str
    cron: str
    """Minute, hour, day of the month, month, day of the week."""
    interval_s: int
    time_zone: str
    """Of `cron`, `UTC` unless given."""
    starts_at: datetime
    """No firing before; with a time zone, as the other one."""
    ends_at: datetime
    catch_up: CatchUp | str
    """What becomes of missed firings, `once` unless given."""
    job: JobFields
    batch: BatchFields


def create_schedule(schedule: ScheduleFields) -> Call[ScheduleView]:
    """Make a schedule."""
    return Call("POST", SCHEDULES, answered(ScheduleView), body=plain(schedule), adds_up=True)


def schedules(page_size: int) -> Call[ScheduleList]:
    """List schedules: the first page."""
    return Call("GET", SCHEDULES, answered(ScheduleList), params={"limit": page_size})


def schedule_page(path: str) -> Call[ScheduleList]:
    """List schedules: a further page."""
    return Call("GET", path, answered(ScheduleList))


def schedule(schedule_id: str) -> Call[ScheduleView]:
    """Read a schedule."""
    return Call("GET", schedule_url(quoted(schedule_id)), answered(ScheduleView))


def change_schedule(schedule_id: str, changes: ScheduleFields) -> Call[ScheduleView]:
    """Change a schedule."""
    return Call("PATCH", schedule_url(quoted(schedule_id)), answered(ScheduleView), body=plain(changes))


def pause_schedule(schedule_id: str) -> Call[ScheduleView]:
    """Have it not fire."""
    return Call("POST", f"{schedule_url(quoted(schedule_id))}/pause", answered(ScheduleView))


def resume_schedule(schedule_id: str) -> Call[ScheduleView]:
    """Have it fire again."""
    return Call("POST", f"{schedule_url(quoted(schedule_id))}/resume", answered(ScheduleView))


def run_schedule(schedule_id: str) -> Call[FiringView]:
    """Fire it now."""
    return Call("POST", f"{schedule_url(quoted(schedule_id))}/run", answered(FiringView), adds_up=True)


def delete_schedule(schedule_id: str) -> Call[None]:
    """Erase a schedule."""
    return Call("DELETE", schedule_url(quoted(schedule_id)), nothing, erases=True)


def runs(schedule_id: str, page_size: int) -> Call[FiringList]:
    """List its firings: the first page."""
    return Call("GET", runs_url(quoted(schedule_id)), answered(FiringList), params={"limit": page_size})


def runs_page(path: str) -> Call[FiringList]:
    """List its firings: a further page."""
    return Call("GET", path, answered(FiringList))
