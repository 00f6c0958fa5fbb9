"""The schedules of the records in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pipeline.errors import ScheduleNotFound
from pipeline.ids import canonical_uuid
from pipeline.memory_store import MemoryStore
from pipeline.pages import Page, newest
from pipeline.schedules import Firing, JobSchedule, ScheduleChanges
from stages.contract import Clock


class MemorySchedules(MemoryStore):
    """Schedules and their firings, by id."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._schedules: dict[str, JobSchedule] = {}
        self._firings: dict[str, Firing] = {}

    def add_schedule(self, schedule: JobSchedule) -> None:
        """Record a schedule."""
        with self._lock:
            self._schedules[schedule.id] = schedule

    def schedule(self, tenant_id: str, schedule_id: str) -> JobSchedule | None:
        """A schedule."""
        with self._lock:
            known = self._schedules.get(canonical_uuid(schedule_id) or "")
            return known if known is not None and known.tenant_id == tenant_id else None

    def schedules(self, tenant_id: str, *, before: str | None, limit: int) -> Page[JobSchedule]:
        """Schedules, newest first, without what they submit."""
        with self._lock:
            found = [replace(each, submits={}) for each in self._schedules.values() if each.tenant_id == tenant_id]
        return newest(found, before=before, limit=limit)

    def change_schedule(self, tenant_id: str, schedule_id: str, changes: ScheduleChanges) -> JobSchedule:
        """Change a schedule."""
        given = {name: getattr(changes, name) for name in ("name", "timetable", "catch_up", "submits")}
        with self._lock:
            known = self._required(tenant_id, schedule_id)
            self._set(known, **{name: value for name, value in given.items() if value is not None})
            if changes.timetable is not None:
                self._set(known, next_at=changes.next_at if known.paused_at is None else None)
            return self._schedules[known.id]

    def pause_schedule(self, tenant_id: str, schedule_id: str, at: datetime) -> JobSchedule:
        """Have it not fire any more."""
        with self._lock:
            known = self._required(tenant_id, schedule_id)
            return self._set(known, paused_at=known.paused_at or at, next_at=None)

    def resume_schedule(self, tenant_id: str, schedule_id: str, next_at: datetime | None) -> JobSchedule:
        """Have a paused schedule fire again."""
        with self._lock:
            known = self._required(tenant_id, schedule_id)
            return known if known.paused_at is None else self._set(known, paused_at=None, next_at=next_at)

    def delete_schedule(self, tenant_id: str, schedule_id: str) -> None:
        """Erase a schedule and its firings."""
        with self._lock:
            known = self._required(tenant_id, schedule_id)
            del self._schedules[known.id]
            self._firings = {key: each for key, each in self._firings.items() if each.schedule_id != known.id}

    def due_schedules(self, at: datetime, *, limit: int) -> Sequence[tuple[str, str]]:
        """Schedules whose next time has come."""
        with self._lock:
            due = [(each.next_at, each) for each in self._schedules.values() if each.next_at and each.next_at <= at]
        in_turn = sorted(due, key=lambda pair: (pair[0], pair[1].id))[:limit]
        return [(each.tenant_id, each.id) for _, each in in_turn]

    def pass_over(self, schedule: JobSchedule, next_at: datetime | None) -> bool:
        """Let times pass."""
        with self._lock:
            return self._advance(schedule, next_at)

    def firings(self, tenant_id: str, schedule_id: str, *, before: str | None, limit: int) -> Page[Firing]:
        """Firings of a schedule, newest first."""
        with self._lock:
            known = self._required(tenant_id, schedule_id)
            found = [each for each in self._firings.values() if each.schedule_id == known.id]
        return newest(found, before=before, limit=limit)

    def forget_firings(self, *, before: datetime) -> int:
        """Erase old firings."""
        with self._lock:
            old = [each.id for each in self._firings.values() if each.fired_at < before]
            for each in old:
                del self._firings[each]
            return len(old)

    def _note(self, schedule: JobSchedule, firing: Firing, next_at: datetime | None) -> bool:
        """Record a firing; False when it is not to be."""
        if schedule.id not in self._schedules:
            return False
        if firing.due_at is not None and not self._advance(schedule, next_at):
            return False
        self._set(schedule, last_fired_at=firing.fired_at, last_error=firing.error)
        times = {(each.schedule_id, each.due_at) for each in self._firings.values() if each.due_at is not None}
        if (firing.schedule_id, firing.due_at) in times:
            return False
        self._firings[firing.id] = firing
        return True

    def _advance(self, schedule: JobSchedule, next_at: datetime | None) -> bool:
        """Change the next time of a schedule unless somebody else has."""
        known = self._schedules.get(schedule.id)
        if known is None or known.next_at is None or known.next_at != schedule.next_at:
            return False
        self._set(known, next_at=next_at)
        return True

    def _set(self, schedule: JobSchedule, **values: Any) -> JobSchedule:
        self._schedules[schedule.id] = replace(self._schedules[schedule.id], **values)
        return self._schedules[schedule.id]

    def _required(self, tenant_id: str, schedule_id: str) -> JobSchedule:
        known = self.schedule(tenant_id, schedule_id)
        if known is None:
            raise ScheduleNotFound(schedule_id)
        return known
