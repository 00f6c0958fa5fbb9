"""Schedules in SQL: what is to fire when, and each time at which it did."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, case, delete, func, insert, literal, select, update

from orchestration.storage import records_batches as batches
from orchestration.storage import records_jobs as jobs
from orchestration.storage.engine import Database
from orchestration.storage.paging import newest
from orchestration.storage.rows import AnyRow, Values
from orchestration.storage.schema import firings, schedules
from orchestration.storage.types import UtcDateTime
from orchestration.storage.upsert import upsert
from pipeline.errors import ScheduleNotFound
from pipeline.ids import canonical_uuid
from pipeline.job import NewJob
from pipeline.pages import Page
from pipeline.schedules import (
    Firing,
    FiringError,
    JobSchedule,
    ScheduleChanges,
    Submitted,
)
from pipeline.tenants import UNLIMITED, Allowance
from pipeline.timetable import Timetable

_IS_PAUSED = schedules.c.paused_at.is_not(None)
_LISTED = [column for column in schedules.c if column is not schedules.c.submits]


class SqlSchedules:
    """The part of `SqlRecords` that is about schedules."""

    _database: Database

    def add_schedule(self, schedule: JobSchedule) -> None:
        """Record a schedule."""
        with self._database.write(durable=True) as connection:
            connection.execute(insert(schedules), _values(schedule))

    def schedule(self, tenant_id: str, schedule_id: str) -> JobSchedule | None:
        """A schedule."""
        with self._database.read() as connection:
            return _read(connection, tenant_id, schedule_id)

    def schedules(self, tenant_id: str, *, before: str | None, limit: int) -> Page[JobSchedule]:
        """Schedules, newest first, without what they submit."""
        with self._database.read() as connection:
            of_tenant = select(*_LISTED).where(schedules.c.tenant_id == tenant_id)
            return newest(connection, of_tenant, schedules.c.id, _summaries_from, before=before, limit=limit)

    def change_schedule(self, tenant_id: str, schedule_id: str, changes: ScheduleChanges) -> JobSchedule:
        """Change a schedule."""
        with self._database.write(durable=True) as connection:
            return _change(connection, tenant_id, schedule_id, _changed(changes))

    def pause_schedule(self, tenant_id: str, schedule_id: str, at: datetime) -> JobSchedule:
        """Have it not fire any more."""
        since = func.coalesce(schedules.c.paused_at, _moment(at))
        with self._database.write(durable=True) as connection:
            return _change(connection, tenant_id, schedule_id, {"paused_at": since, "next_at": None})

    def resume_schedule(self, tenant_id: str, schedule_id: str, next_at: datetime | None) -> JobSchedule:
        """Have a paused schedule fire again."""
        following = case((_IS_PAUSED, _moment(next_at)), else_=schedules.c.next_at)
        with self._database.write(durable=True) as connection:
            return _change(connection, tenant_id, schedule_id, {"paused_at": None, "next_at": following})

    def delete_schedule(self, tenant_id: str, schedule_id: str) -> None:
        """Erase a schedule and its firings."""
        with self._database.write(durable=True) as connection:
            known = _required(connection, tenant_id, schedule_id)
            connection.execute(delete(schedules).where(schedules.c.id == known.id))

    def due_schedules(self, at: datetime, *, limit: int) -> Sequence[tuple[str, str]]:
        """Schedules whose next time has come."""
        due = select(schedules.c.tenant_id, schedules.c.id).where(schedules.c.next_at <= at)
        with self._database.read() as connection:
            rows = connection.execute(due.order_by(schedules.c.next_at, schedules.c.id).limit(limit))
            return [(row.tenant_id, row.id) for row in rows]

    def pass_over(self, schedule: JobSchedule, next_at: datetime | None) -> bool:
        """Let times pass."""
        with self._database.write() as connection:
            return _take(connection, schedule, {"next_at": next_at})

    def fire(
        self,
        schedule: JobSchedule,
        firing: Firing,
        submitted: Submitted,
        next_at: datetime | None,
        allowed: Allowance = UNLIMITED,
    ) -> bool:
        """Record a firing with what it submits."""
        with self._database.write(durable=True) as connection:
            is_recorded = _fire(connection, schedule, firing, next_at)
            if is_recorded:
                _submit(connection, submitted, allowed)
            return is_recorded

    def firings(self, tenant_id: str, schedule_id: str, *, before: str | None, limit: int) -> Page[Firing]:
        """Firings of a schedule, newest first."""
        with self._database.read() as connection:
            known = _required(connection, tenant_id, schedule_id)
            of_schedule = select(firings).where(firings.c.schedule_id == known.id)
            return newest(connection, of_schedule, firings.c.id, _firings_from, before=before, limit=limit)

    def forget_firings(self, *, before: datetime) -> int:
        """Erase old firings."""
        with self._database.write() as connection:
            return connection.execute(delete(firings).where(firings.c.fired_at < before)).rowcount


# firing


def _fire(connection: Connection, schedule: JobSchedule, firing: Firing, next_at: datetime | None) -> bool:
    values: Values = {"last_fired_at": firing.fired_at, "last_error": firing.error and asdict(firing.error)}
    if firing.due_at is None:
        taken = update(schedules).where(schedules.c.id == schedule.id).values(values)
        is_taken = connection.execute(taken).rowcount > 0
    else:
        is_taken = _take(connection, schedule, {**values, "next_at": next_at})
    return is_taken and _is_new(connection, firing)


def _take(connection: Connection, schedule: JobSchedule, values: Values) -> bool:
    """Change a schedule that nobody has changed the next time of."""
    is_due = (schedules.c.id == schedule.id, schedules.c.next_at == schedule.next_at)
    return connection.execute(update(schedules).where(*is_due).values(values)).rowcount > 0


def _is_new(connection: Connection, firing: Firing) -> bool:
    values: Values = {**asdict(firing), "error": firing.error and asdict(firing.error)}
    once = upsert(connection, firings).values(values).on_conflict_do_nothing(index_elements=["schedule_id", "due_at"])
    return connection.execute(once.returning(firings.c.id)).first() is not None


def _submit(connection: Connection, submitted: Submitted, allowed: Allowance) -> None:
    if isinstance(submitted, NewJob):
        jobs.accept(connection, submitted, None, allowed, may_launch=False)
    elif submitted is not None:
        batch, chunk = submitted
        batches.accept_many(connection, batches.open_batch(connection, batch, None), chunk, allowed)


# reading


def _read(connection: Connection, tenant_id: str, schedule_id: str) -> JobSchedule | None:
    this_one = schedules.c.id == canonical_uuid(schedule_id)
    row = connection.execute(select(schedules).where(this_one, schedules.c.tenant_id == tenant_id)).first()
    return None if row is None else _schedule_from(row, row.submits)


def _required(connection: Connection, tenant_id: str, schedule_id: str) -> JobSchedule:
    schedule = _read(connection, tenant_id, schedule_id)
    if schedule is None:
        raise ScheduleNotFound(schedule_id)
    return schedule


# changing


def _change(connection: Connection, tenant_id: str, schedule_id: str, values: Values) -> JobSchedule:
    known = _required(connection, tenant_id, schedule_id)
    if values:
        connection.execute(update(schedules).where(schedules.c.id == known.id).values(values))
    return _required(connection, tenant_id, known.id)


def _changed(changes: ScheduleChanges) -> Values:
    given: Values = {"name": changes.name, "catch_up": changes.catch_up, "submits": changes.submits}
    values = {name: value for name, value in given.items() if value is not None}
    if changes.timetable is not None:
        following = case((_IS_PAUSED, _moment(None)), else_=_moment(changes.next_at))
        values |= {**asdict(changes.timetable), "next_at": following}
    return values


# rows


def _moment(at: datetime | None) -> BindParameter[datetime | None]:
    return literal(at, UtcDateTime())


def _values(schedule: JobSchedule) -> Values:
    return {
        "id": schedule.id,
        "tenant_id": schedule.tenant_id,
        "name": schedule.name,
        **asdict(schedule.timetable),
        "catch_up": schedule.catch_up,
        "submits": schedule.submits,
        "created_at": schedule.created_at,
        "next_at": schedule.next_at,
    }


def _summaries_from(rows: Sequence[AnyRow]) -> list[JobSchedule]:
    return [_schedule_from(row, {}) for row in rows]


def _schedule_from(row: AnyRow, submits: Mapping[str, Any]) -> JobSchedule:
    return JobSchedule(
        id=row.id,
        tenant_id=row.tenant_id,
        name=row.name,
        timetable=Timetable(row.cron, row.interval_s, row.time_zone, row.since, row.starts_at, row.ends_at),
        catch_up=row.catch_up,
        submits=submits,
        created_at=row.created_at,
        next_at=row.next_at,
        paused_at=row.paused_at,
        last_fired_at=row.last_fired_at,
        last_error=_error_from(row.last_error),
    )


def _firings_from(rows: Sequence[AnyRow]) -> list[Firing]:
    return [_firing_from(row) for row in rows]


def _firing_from(row: AnyRow) -> Firing:
    return Firing(row.id, row.schedule_id, row.due_at, row.fired_at, row.job_id, row.batch_id, _error_from(row.error))


def _error_from(document: Mapping[str, str] | None) -> FiringError | None:
    return None if document is None else FiringError(**document)
