"""Any number of subscribers of one event loop, who wait for what the tail of the process brings."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto

from orchestration.streams.drafts import Draft, Drafts
from orchestration.streams.tail import Tail
from orchestration.streams.window import StreamId, Told, Window
from orchestration.transport.urls import Target
from pipeline.deltas import Delta


class Woken(Enum):
    """Why a subscriber was woken."""

    EVENTS = auto()
    """There is something to take."""
    NOTHING = auto()
    """The time is over."""
    GAP = auto()
    """Events may have been missed: ask the records."""
    SLOW = auto()
    """It took too long to take what there was; some of it is gone."""
    CLOSING = auto()
    """The process stops."""


class Subscriber:
    """One who waits for the events of a job, or for all. Belongs to the loop of its hub."""

    def __init__(self, window: Window, job_id: str | None, seen: StreamId | None) -> None:
        self.job_id = job_id
        self.is_whole = _is_whole(window, job_id, seen)
        """Whether all that was missed is there to be taken."""
        self.begins_at = window.last_id
        """The newest event there was."""
        self.is_first_to_hear = job_id is not None and not any(window.of_job(job_id, window.first))
        """Whether nothing of the job is known yet, or any more."""
        self._window = window
        self._next = _start(window, job_id, seen) if self.is_whole else window.next
        self._unread: int | None = None
        self._asleep: asyncio.Future[None] | None = None
        self._is_woken = self._gap = self._closing = False
        self._drafts: Drafts | None = None
        self._draft: Draft | None = None

    def watch(self, drafts: Drafts) -> None:
        """Have the text, too, that is being written for the job, from its beginning."""
        self._drafts = drafts
        draft = self._known_draft()
        self._draft = draft if draft is not None and draft.is_over else None

    def take_deltas(self) -> list[Delta]:
        """What was added to the text since it was taken before."""
        draft, seen = self._known_draft(), self._draft
        self._draft = draft
        return [] if draft is None or draft is seen else draft.since(seen)

    def _known_draft(self) -> Draft | None:
        return None if self._drafts is None or self.job_id is None else self._drafts.get(self.job_id)

    def take(self) -> list[Told]:
        """What was not taken before."""
        window, start = self._window, self._next
        self._next, self._unread = window.next, None
        return list(window.all(start) if self.job_id is None else window.of_job(self.job_id, start))

    async def wait(self, timeout_s: float) -> Woken:
        """Until there is something, at most so long."""
        if not self._is_woken:
            await self._sleep(timeout_s)
        if not self._is_woken:
            return Woken.NOTHING
        self._is_woken = False
        return self._why()

    async def _sleep(self, timeout_s: float) -> None:
        # Thousands do this: a future and a timer are a fourth of what an `asyncio.Event` and a timeout hold.
        loop = asyncio.get_running_loop()
        self._asleep = loop.create_future()
        timer = loop.call_later(timeout_s, _end, self._asleep)
        try:
            await self._asleep
        finally:
            timer.cancel()
            self._asleep = None

    def _wake(self) -> None:
        self._is_woken = True
        if self._asleep is not None:
            _end(self._asleep)

    def _why(self) -> Woken:
        if self._closing:
            return Woken.CLOSING
        if self._gap:
            self._gap, self._next, self._unread = False, self._window.next, None
            return Woken.GAP
        if self._unread is not None and self._unread < self._window.first:
            return Woken.SLOW
        return Woken.EVENTS

    def tell(self, number: int) -> None:
        """An event came."""
        if self._unread is None:
            self._unread = number
        self._wake()

    def tell_delta(self) -> None:
        """The text has changed."""
        if self._drafts is not None:
            self._wake()

    def tell_gap(self) -> None:
        """Events may have been missed."""
        self._gap = True
        self._wake()

    def tell_closing(self) -> None:
        """The process stops."""
        self._closing = True
        self._wake()


class Hub:
    """Where one process listens. All methods are for its event loop."""

    def __init__(self, target: Target, *, kept: int) -> None:
        """`kept` is how many events are remembered."""
        self._target = target
        self._kept = kept
        self._window = Window(kept)
        self._drafts = Drafts()
        self._tail: Tail | None = None
        self._of_job: defaultdict[str, set[Subscriber]] = defaultdict(set)
        self._of_all: set[Subscriber] = set()
        self._is_closed = False

    def start(self) -> None:
        """Begin to listen."""
        loop = asyncio.get_running_loop()

        def in_loop(method: Callable[..., None]) -> Callable[..., None]:
            def call(*arguments: object) -> None:
                # The loop may be closed already when the process stops.
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(method, *arguments)

            return call

        self._tail = Tail(
            self._target,
            kept=self._kept,
            on_told=in_loop(self.tell),
            on_gap=in_loop(self.tell_gap),
            on_deltas=in_loop(self.tell_deltas),
        )
        self._tail.start()

    def close(self) -> None:
        """Send all subscribers away, and those who still come."""
        self._is_closed = True
        if self._tail is not None:
            self._tail.stop()
        for subscriber in self._all():
            subscriber.tell_closing()

    @contextmanager
    def subscribe(
        self, job_id: str | None = None, seen: StreamId | None = None, *, with_text: bool = False
    ) -> Iterator[Subscriber]:
        """Wait for the events of a job, or of all, after those that were `seen`.

        `with_text` is for a job: whether its text is watched while it is written.
        """
        subscriber = Subscriber(self._window, job_id, seen)
        if with_text:
            subscriber.watch(self._drafts)
        group = self._of_all if job_id is None else self._of_job[job_id]
        group.add(subscriber)
        if self._is_closed:
            subscriber.tell_closing()
        try:
            yield subscriber
        finally:
            group.discard(subscriber)
            if job_id is not None and not group:
                self._of_job.pop(job_id, None)

    def tell(self, told: list[Told]) -> None:
        """Remember events, and wake those who wait for them."""
        for each in told:
            number = self._window.next
            self._window.append(each)
            self._drafts.hear(each)
            for subscriber in (*self._of_job.get(each.job_id, ()), *self._of_all):
                subscriber.tell(number)

    def tell_deltas(self, deltas: list[Delta]) -> None:
        """Remember texts as they are now, and wake those who watch them."""
        for job_id in {delta.writing.job_id for delta in deltas if self._drafts.add(delta)}:
            for subscriber in self._of_job.get(job_id, ()):
                subscriber.tell_delta()

    def tell_gap(self) -> None:
        """Forget what is remembered: events may have been missed after it."""
        self._window.clear()
        self._drafts.clear()
        for subscriber in self._all():
            subscriber.tell_gap()

    def _all(self) -> list[Subscriber]:
        return [*self._of_all, *(each for group in self._of_job.values() for each in group)]


def _end(sleep: asyncio.Future[None]) -> None:
    if not sleep.done():
        sleep.set_result(None)


def _is_whole(window: Window, job_id: str | None, seen: StreamId | None) -> bool:
    if seen is not None:
        return window.reaches(seen)
    return job_id is None or window.tells_all_of(job_id)


def _start(window: Window, job_id: str | None, seen: StreamId | None) -> int:
    if seen is not None:
        return window.after(seen)
    return window.next if job_id is None else window.first
