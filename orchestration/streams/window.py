"""The event stream as one process remembers it: the same events, the newest so many, found by job.

Each event gets a number, counted from the first that was remembered. A subscriber is a number: that of the first event
it has not seen. So nothing is kept for anybody, and one who is too slow finds that what it wants is gone.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

StreamId = tuple[int, int]
"""Milliseconds and a number: the id of an entry of a stream."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event of the stream."""

    id: StreamId
    tenant_id: str
    job_id: str
    run: int
    event: str
    data: str
    """As JSON, for clients."""
    batch_id: str | None = None

    @property
    def is_last(self) -> bool:
        """Whether nothing of the same run comes after it."""
        return self.event in ("job.succeeded", "job.failed", "job.cancelled")


class Window:
    """Not thread-safe: it belongs to an event loop."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._told: deque[Told] = deque()
        self._first = 0
        # Lists: a deque takes ten times as much for the few events that a job has.
        self._of_job: dict[str, list[int]] = {}
        self._floor: StreamId | None = None

    @property
    def first(self) -> int:
        """The number of the oldest event."""
        return self._first

    @property
    def next(self) -> int:
        """The number that the next event will get."""
        return self._first + len(self._told)

    @property
    def last_id(self) -> StreamId | None:
        """Of the newest event, or of the newest that is gone."""
        return self._told[-1].id if self._told else self._floor

    def append(self, told: Told) -> None:
        """Remember an event, and forget the oldest when there are too many."""
        if self._floor is None:
            # What the stream held before it is unknown.
            self._floor = (told.id[0], told.id[1] - 1)
        self._of_job.setdefault(told.job_id, []).append(self.next)
        self._told.append(told)
        if len(self._told) > self._size:
            self._forget()

    def clear(self) -> None:
        """Forget everything: what came after it was missed."""
        while self._told:
            self._forget()
        self._floor = None

    def reaches(self, seen: StreamId) -> bool:
        """Whether all that came after this event is remembered."""
        return self._floor is not None and self._floor <= seen <= (self.last_id or seen)

    def after(self, seen: StreamId) -> int:
        """The number of the first event after this one."""
        return self._first + sum(1 for told in self._told if told.id <= seen)

    def tells_all_of(self, job_id: str) -> bool:
        """Whether all events of a job are remembered, from the first on."""
        numbers = self._of_job.get(job_id)
        return numbers is not None and self[numbers[0]].event == "job.queued"

    def of_job(self, job_id: str, start: int) -> Iterator[Told]:
        """The events of a job from this number on."""
        return (self[number] for number in self._of_job.get(job_id, ()) if number >= start)

    def all(self, start: int) -> Iterator[Told]:
        """All events from this number on."""
        return islice(self._told, max(0, start - self._first), None)

    def __getitem__(self, number: int) -> Told:
        return self._told[number - self._first]

    def _forget(self) -> None:
        told = self._told.popleft()
        self._floor = told.id
        numbers = self._of_job[told.job_id]
        del numbers[0]
        if not numbers:
            del self._of_job[told.job_id]
        self._first += 1
