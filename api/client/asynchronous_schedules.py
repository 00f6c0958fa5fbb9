"""Schedules, for the client for asyncio."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import TypeVar, Unpack

from api.client import schedule_calls as calls
from api.client.calls import Call
from api.client.schedule_calls import ScheduleFields
from api.schemas import MAX_PAGE
from api.schemas_schedules import FiringView, ScheduleSummary, ScheduleView

T = TypeVar("T")


class AsyncSchedules(ABC):
    """What a client does about schedules."""

    async def create_schedule(self, **schedule: Unpack[ScheduleFields]) -> ScheduleView:
        """See `Penstock.create_schedule`."""
        return await self._call(calls.create_schedule(schedule))

    async def schedules(self, *, page_size: int = MAX_PAGE) -> AsyncIterator[ScheduleSummary]:
        """See `Penstock.schedules`."""
        page = await self._call(calls.schedules(page_size))
        for each in page.items:
            yield each
        while page.next is not None:
            page = await self._call(calls.schedule_page(page.next))
            for each in page.items:
                yield each

    async def schedule(self, schedule_id: str) -> ScheduleView:
        """See `Penstock.schedule`."""
        return await self._call(calls.schedule(schedule_id))

    async def change_schedule(self, schedule_id: str, **changes: Unpack[ScheduleFields]) -> ScheduleView:
        """See `Penstock.change_schedule`."""
        return await self._call(calls.change_schedule(schedule_id, changes))

    async def pause_schedule(self, schedule_id: str) -> ScheduleView:
        """See `Penstock.pause_schedule`."""
        return await self._call(calls.pause_schedule(schedule_id))

    async def resume_schedule(self, schedule_id: str) -> ScheduleView:
        """See `Penstock.resume_schedule`."""
        return await self._call(calls.resume_schedule(schedule_id))

    async def run_schedule(self, schedule_id: str) -> FiringView:
        """See `Penstock.run_schedule`."""
        return await self._call(calls.run_schedule(schedule_id))

    async def delete_schedule(self, schedule_id: str) -> None:
        """See `Penstock.delete_schedule`."""
        await self._call(calls.delete_schedule(schedule_id))

    async def schedule_runs(self, schedule_id: str, *, page_size: int = MAX_PAGE) -> AsyncIterator[FiringView]:
        """See `Penstock.schedule_runs`."""
        page = await self._call(calls.runs(schedule_id, page_size))
        for each in page.items:
            yield each
        while page.next is not None:
            page = await self._call(calls.runs_page(page.next))
            for each in page.items:
                yield each

    @abstractmethod
    async def _call(self, call: Call[T]) -> T:
        """Ask, again if need be."""
