"""Schedules, for the client that blocks."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TypeVar, Unpack

from api.client import schedule_calls as calls
from api.client.calls import Call
from api.client.schedule_calls import ScheduleFields
from api.schemas import MAX_PAGE
from api.schemas_schedules import FiringView, ScheduleSummary, ScheduleView

T = TypeVar("T")


class Schedules(ABC):
    """What a client does about schedules."""

    def create_schedule(self, **schedule: Unpack[ScheduleFields]) -> ScheduleView:
        """Make a schedule: `name`, `cron` or `interval_s`, `job` or `batch`, and options.

        It has no key: it is sent again only where it cannot have arrived. After `Unreachable` and
        `ServiceUnavailable` look whether it is there.
        """
        return self._call(calls.create_schedule(schedule))

    def schedules(self, *, page_size: int = MAX_PAGE) -> Iterator[ScheduleSummary]:
        """Schedules, newest first; further pages are asked for as they are needed."""
        page = self._call(calls.schedules(page_size))
        yield from page.items
        while page.next is not None:
            page = self._call(calls.schedule_page(page.next))
            yield from page.items

    def schedule(self, schedule_id: str) -> ScheduleView:
        """A schedule, with what it submits and when it does so next. Raises `NotFound`."""
        return self._call(calls.schedule(schedule_id))

    def change_schedule(self, schedule_id: str, **changes: Unpack[ScheduleFields]) -> ScheduleView:
        """Change what is given; other times count from now."""
        return self._call(calls.change_schedule(schedule_id, changes))

    def pause_schedule(self, schedule_id: str) -> ScheduleView:
        """Have it not fire until it is resumed."""
        return self._call(calls.pause_schedule(schedule_id))

    def resume_schedule(self, schedule_id: str) -> ScheduleView:
        """Have it fire again, from its next time on."""
        return self._call(calls.resume_schedule(schedule_id))

    def run_schedule(self, schedule_id: str) -> FiringView:
        """Fire it now, also while it is paused. It is sent again only where it cannot have arrived."""
        return self._call(calls.run_schedule(schedule_id))

    def delete_schedule(self, schedule_id: str) -> None:
        """Erase it with the record of its firings. What it has submitted stays."""
        self._call(calls.delete_schedule(schedule_id))

    def schedule_runs(self, schedule_id: str, *, page_size: int = MAX_PAGE) -> Iterator[FiringView]:
        """Its firings with what each has submitted, newest first; further pages are asked for as they are needed."""
        page = self._call(calls.runs(schedule_id, page_size))
        yield from page.items
        while page.next is not None:
            page = self._call(calls.runs_page(page.next))
            yield from page.items

    @abstractmethod
    def _call(self, call: Call[T]) -> T:
        """Ask, again if need be."""
