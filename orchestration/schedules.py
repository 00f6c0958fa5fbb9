"""Schedules: where they are asked for, and who fires them.

What a firing submits is made first, its content stored, and then recorded in one transaction with the firing and the
time that is due next. Whoever dies before has fired nothing, whoever dies after has left a job to the keeper.
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from orchestration.batches import chunk_of
from orchestration.orders import Order, order_from
from orchestration.submit import Desk, erase_objects
from pipeline import events
from pipeline.batches import NOTHING_READ, NewBatch
from pipeline.errors import (
    InvalidSchedule,
    MachineryFailed,
    PayloadsUnavailable,
    QuotaExceeded,
    Refused,
    ScheduleNotFound,
)
from pipeline.ids import uuid7
from pipeline.job import NewJob
from pipeline.schedules import (
    CatchUp,
    Firing,
    FiringError,
    JobSchedule,
    ScheduleChanges,
    ScheduleRecords,
    Submitted,
    turn_of,
)
from pipeline.terms import MAX_AHEAD
from pipeline.timetable import Timetable

log = logging.getLogger(__name__)

FIRINGS_PER_TURN = 20
"""The keeper has a turn a second."""
TURN_S = 2.0
"""After so long nothing more is fired in a turn: the keeper has other work, and has to show that it leads."""
DEFECT_PAUSE = timedelta(minutes=5)
"""How long a schedule is left alone that nobody can tell the next time of."""


@dataclass(frozen=True, slots=True)
class Firer:
    """Makes what a schedule submits, and records it."""

    records: ScheduleRecords
    jobs: Desk

    def fire(self, schedule: JobSchedule, due_at: datetime | None, next_at: datetime | None) -> Firing | None:
        """Fire for a time, or by hand; None when somebody else did, or changed the schedule.

        Raises `MachineryFailed`, and has fired nothing then.
        """
        now = self.jobs.clock.now()
        submitted, error = self._made(schedule, now)
        firing = self._firing(schedule, due_at, now, submitted, error)
        try:
            is_recorded = self._is_recorded(schedule, firing, submitted, next_at)
        except QuotaExceeded as refused:
            self._erase(submitted)
            submitted = None
            firing = self._firing(schedule, due_at, now, None, FiringError(refused.code, str(refused)))
            is_recorded = self._is_recorded(schedule, firing, None, next_at)
        if not is_recorded:
            return None
        if isinstance(submitted, NewJob):
            self.jobs.announcer.announce(events.queued(submitted))
        return firing

    def _made(self, schedule: JobSchedule, now: datetime) -> tuple[Submitted, FiringError | None]:
        try:
            order = order_from(schedule.submits, schedule.tenant_id)
            return self._batch(schedule, order, now) if order.is_batch else (self._job(order, now), None)
        except Refused as error:
            return None, FiringError(error.code, str(error))
        except MachineryFailed:
            raise
        except Exception as error:
            # A schedule that meets a defect goes on, and stands in no other's way.
            log.exception("schedule %s met a defect", schedule.id)
            return None, FiringError("internal_error", f"{type(error).__name__}: see the keeper's log")

    def _job(self, order: Order, now: datetime) -> NewJob:
        (wish,) = order.items
        return self.jobs.prepare(wish, self._new_id(now), now)

    def _batch(self, schedule: JobSchedule, order: Order, now: datetime) -> tuple[Submitted, FiringError | None]:
        batch = NewBatch(self._new_id(now), schedule.tenant_id, order.batch_name, now, order.plan, order.digest_order)
        items = order.items if order.plan is None else ()
        chunk = chunk_of(self.jobs, batch.id, items, first=0, digest=NOTHING_READ, is_last=order.plan is None)
        if not chunk.rejections:
            return (batch, chunk), None
        first, number = chunk.rejections[0], len(chunk.rejections)
        message = f"{number} of {chunk.size} items were rejected, the first of them, {first.index}: {first.message}"
        return (batch, chunk), FiringError(first.code, message)

    def _firing(
        self,
        schedule: JobSchedule,
        due_at: datetime | None,
        now: datetime,
        submitted: Submitted,
        error: FiringError | None,
    ) -> Firing:
        # Listed by the times that are fired for.
        firing = Firing(self._new_id(due_at or now), schedule.id, due_at, now, error=error)
        if isinstance(submitted, NewJob):
            return replace(firing, job_id=submitted.id)
        return firing if submitted is None else replace(firing, batch_id=submitted[0].id)

    def _is_recorded(
        self, schedule: JobSchedule, firing: Firing, submitted: Submitted, next_at: datetime | None
    ) -> bool:
        allowed = self.jobs.allowed(schedule.tenant_id)
        is_recorded = self.records.fire(schedule, firing, submitted, next_at, allowed)
        if not is_recorded:
            self._erase(submitted)
        return is_recorded

    def _erase(self, submitted: Submitted) -> None:
        for job in _jobs_of(submitted):
            erase_objects(self.jobs.payloads, job.tenant_id, job.id)

    def _new_id(self, at: datetime) -> str:
        return str(uuid7(at, self.jobs.random))


@dataclass(frozen=True, slots=True)
class ScheduleDesk:
    """Where schedules are asked for."""

    records: ScheduleRecords
    jobs: Desk

    def create(self, tenant_id: str, name: str, timetable: Timetable, catch_up: CatchUp, order: Order) -> JobSchedule:
        """Make a schedule. Raises `Refused`, also where it would never fire, or `RecordsUnavailable`."""
        now = self.jobs.clock.now()
        schedule = JobSchedule(
            id=str(uuid7(now, self.jobs.random)),
            tenant_id=tenant_id,
            name=name,
            timetable=timetable,
            catch_up=catch_up,
            submits=self._checked(order),
            created_at=now,
            next_at=_first(timetable, now),
        )
        self.records.add_schedule(schedule)
        return schedule

    def read(self, tenant_id: str, schedule_id: str) -> JobSchedule:
        """A schedule. Raises `ScheduleNotFound`."""
        schedule = self.records.schedule(tenant_id, schedule_id)
        if schedule is None:
            raise ScheduleNotFound(schedule_id)
        return schedule

    def change(
        self,
        tenant_id: str,
        schedule_id: str,
        *,
        name: str | None = None,
        times: dict[str, Any] | None = None,
        catch_up: CatchUp | None = None,
        order: Order | None = None,
    ) -> JobSchedule:
        """Change a schedule; `times` are fields of its timetable, which counts anew from now then.

        Raises `ScheduleNotFound`, or as `create`.
        """
        submits = None if order is None else self._checked(order)
        changes = ScheduleChanges(name, catch_up=catch_up, submits=submits)
        if times:
            now = self.jobs.clock.now()
            timetable = replace(self.read(tenant_id, schedule_id).timetable, **times, since=now)
            changes = replace(changes, timetable=timetable, next_at=_first(timetable, now))
        return self.records.change_schedule(tenant_id, schedule_id, changes)

    def pause(self, tenant_id: str, schedule_id: str) -> JobSchedule:
        """Have it not fire any more. Raises `ScheduleNotFound`."""
        return self.records.pause_schedule(tenant_id, schedule_id, self.jobs.clock.now())

    def resume(self, tenant_id: str, schedule_id: str) -> JobSchedule:
        """Have it fire again, from the next time on. Raises `ScheduleNotFound`."""
        following = self.read(tenant_id, schedule_id).timetable.next_after(self.jobs.clock.now())
        return self.records.resume_schedule(tenant_id, schedule_id, following)

    def run(self, tenant_id: str, schedule_id: str) -> Firing:
        """Fire now, whatever the plan. Raises `ScheduleNotFound` or `MachineryFailed`."""
        schedule = self.read(tenant_id, schedule_id)
        firing = Firer(self.records, self.jobs).fire(schedule, None, None)
        if firing is None:
            raise ScheduleNotFound(schedule_id)
        return firing

    def _checked(self, order: Order) -> dict[str, Any]:
        for item in order.items:
            self.jobs.pipeline(item)
        digest = None if order.digest is None else self.jobs.pinned(order.digest)
        return replace(order, items=tuple(map(self.jobs.pinned, order.items)), digest=digest).document()


@dataclass(frozen=True, slots=True)
class ScheduleWork:
    """What the keeper does about schedules, a little at a time."""

    records: ScheduleRecords
    jobs: Desk

    def turn(self) -> int:
        """Fire some that are due; returns how many. Raises `RecordsUnavailable`."""
        over_at_s = self.jobs.clock.monotonic() + TURN_S
        fired = 0
        for tenant_id, schedule_id in self.records.due_schedules(self.jobs.clock.now(), limit=FIRINGS_PER_TURN):
            if self.jobs.clock.monotonic() >= over_at_s:
                break
            schedule = self.records.schedule(tenant_id, schedule_id)
            fired += schedule is not None and self._is_fired(schedule)
        return fired

    def _is_fired(self, schedule: JobSchedule) -> bool:
        now = self.jobs.clock.now()
        try:
            turn = turn_of(schedule, now)
        except Exception:
            # Its time zone may be gone.
            log.exception("schedule %s has no next time", schedule.id)
            self.records.pass_over(schedule, now + DEFECT_PAUSE)
            return False
        if turn.due_at is None:
            self.records.pass_over(schedule, turn.next_at)
            return False
        try:
            return Firer(self.records, self.jobs).fire(schedule, turn.due_at, turn.next_at) is not None
        except PayloadsUnavailable as error:
            log.warning("schedule %s fires later: %s", schedule.id, error)
            return False


def _first(timetable: Timetable, now: datetime) -> datetime:
    """The first time. Raises `InvalidSchedule`."""
    if timetable.starts_at is not None and timetable.starts_at > now + MAX_AHEAD:
        raise InvalidSchedule(f"starts_at has to be within {MAX_AHEAD.days} days from now")
    first = timetable.next_after(now)
    if first is None:
        raise InvalidSchedule("the schedule would never fire: there is no such time, or none before ends_at")
    return first


def _jobs_of(submitted: Submitted) -> list[NewJob]:
    if isinstance(submitted, NewJob):
        return [submitted]
    return [] if submitted is None else list(submitted[1].jobs)
