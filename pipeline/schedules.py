"""Schedules: jobs and batches that are submitted at the times of a timetable.

A firing is recorded in one transaction with what it submits and with the next time, so none is lost and none comes
twice, whoever dies in between. There is one for each schedule and time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from pipeline.batches import Chunk, NewBatch
from pipeline.job import NewJob
from pipeline.pages import Page
from pipeline.tenants import UNLIMITED, Allowance
from pipeline.timetable import Timetable
from pipeline.webhooks import WebhookRecords

LATE_AFTER = timedelta(seconds=60)
"""A firing that is later than this was missed. No two times are closer to each other."""
MAX_CAUGHT_UP = 100
FIRINGS_KEPT = timedelta(days=30)


class CatchUp(StrEnum):
    """What becomes of firings that were missed, as no keeper was running."""

    SKIP = "skip"
    """They are dropped."""
    ONCE = "once"
    """One stands for all."""
    ALL = "all"
    """Each is made up for, the latest `MAX_CAUGHT_UP` of them."""


class ScheduleState(StrEnum):
    """Whether a schedule fires."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"
    """No time is left."""


@dataclass(frozen=True, slots=True)
class FiringError:
    """Why a firing submitted nothing, or not all."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class JobSchedule:
    """What is to be submitted, and when."""

    id: str
    tenant_id: str
    name: str
    timetable: Timetable
    catch_up: CatchUp
    submits: Mapping[str, Any]
    """What is to be submitted, as a document; empty in a listing."""
    created_at: datetime
    next_at: datetime | None
    """The time that is due next; None while it is paused, and when none is left."""
    paused_at: datetime | None = None
    last_fired_at: datetime | None = None
    last_error: FiringError | None = None
    """Of the latest firing; None when that submitted all."""

    @property
    def state(self) -> ScheduleState:
        if self.paused_at is not None:
            return ScheduleState.PAUSED
        return ScheduleState.ENDED if self.next_at is None else ScheduleState.ACTIVE


@dataclass(frozen=True, slots=True)
class ScheduleChanges:
    """What is to be changed of a schedule; None for what stays as it is."""

    name: str | None = None
    timetable: Timetable | None = None
    next_at: datetime | None = None
    """Comes with the timetable, and counts unless the schedule is paused."""
    catch_up: CatchUp | None = None
    submits: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Firing:
    """One time at which a schedule submitted something, or failed to."""

    id: str
    schedule_id: str
    due_at: datetime | None
    """None of one that was asked for by hand."""
    fired_at: datetime
    job_id: str | None = None
    batch_id: str | None = None
    error: FiringError | None = None


Submitted = NewJob | tuple[NewBatch, Chunk] | None
"""What a firing submits; None where that failed."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be done about a schedule that is due."""

    due_at: datetime | None
    """The time to fire for now; None for none."""
    next_at: datetime | None
    """The time after that; it may be over, too."""


def turn_of(schedule: JobSchedule, now: datetime) -> Turn:
    """What is to be done now about a schedule, as its policy has it."""
    first, timetable = schedule.next_at or now, schedule.timetable
    number = MAX_CAUGHT_UP if schedule.catch_up is CatchUp.ALL else 1
    due = timetable.latest(first, now, number)
    if schedule.catch_up is CatchUp.SKIP:
        due = [moment for moment in due if now - moment < LATE_AFTER]
    return Turn(due[0], timetable.next_after(due[0])) if due else Turn(None, timetable.next_after(now))


class ScheduleRecords(WebhookRecords, Protocol):
    """The records, with what they keep of schedules."""

    def add_schedule(self, schedule: JobSchedule) -> None:
        """Record a schedule."""

    def schedule(self, tenant_id: str, schedule_id: str) -> JobSchedule | None:
        """A schedule; None when there is none such."""

    def schedules(self, tenant_id: str, *, before: str | None, limit: int) -> Page[JobSchedule]:
        """Schedules, newest first, without what they submit. `before` is the id of the last one of the page before."""

    def change_schedule(self, tenant_id: str, schedule_id: str, changes: ScheduleChanges) -> JobSchedule:
        """Change a schedule. Raises `ScheduleNotFound`."""

    def pause_schedule(self, tenant_id: str, schedule_id: str, at: datetime) -> JobSchedule:
        """Have it not fire any more. Pausing it again changes nothing. Raises `ScheduleNotFound`."""

    def resume_schedule(self, tenant_id: str, schedule_id: str, next_at: datetime | None) -> JobSchedule:
        """Have a paused schedule fire again, at this time next; of another nothing changes.

        Raises `ScheduleNotFound`.
        """

    def delete_schedule(self, tenant_id: str, schedule_id: str) -> None:
        """Erase a schedule and its firings; what it has submitted stays. Raises `ScheduleNotFound`."""

    def due_schedules(self, at: datetime, *, limit: int) -> Sequence[tuple[str, str]]:
        """Tenant and id of schedules whose next time has come, the one that is due for longest first."""

    def pass_over(self, schedule: JobSchedule, next_at: datetime | None) -> bool:
        """Let the times before `next_at` pass. False as in `fire`."""

    def fire(
        self,
        schedule: JobSchedule,
        firing: Firing,
        submitted: Submitted,
        next_at: datetime | None,
        allowed: Allowance = UNLIMITED,
    ) -> bool:
        """Record a firing, what it submits, and the time that is due next, in one transaction.

        Returns False, and changes nothing, when the schedule is not due at the time any more that it was read with, or
        is gone. Where a time was fired for before, only the next one is recorded, and False returned, too.
        A firing without `due_at` is asked for by hand: whatever is due, only that the schedule is gone stops it.
        What it submits waits to be admitted. Raises `QuotaExceeded`, and then records nothing.
        """

    def firings(self, tenant_id: str, schedule_id: str, *, before: str | None, limit: int) -> Page[Firing]:
        """Firings of a schedule, newest first. Raises `ScheduleNotFound`."""

    def forget_firings(self, *, before: datetime) -> int:
        """Erase firings recorded before this; returns how many."""
