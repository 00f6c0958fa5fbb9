"""A worker's link to the records: it says that it lives, and learns whether its queue is paused."""

import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from celery.signals import task_postrun

from orchestration.gate import QueueGate
from pipeline.errors import RecordsUnavailable
from pipeline.queues import QueueRecords, Worker
from stages.contract import Clock

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
"""How late a worker learns that its queue was paused or resumed."""
SIGN_EVERY_S = 3.0
ALIVE_FOR_S = 10.0
"""Without a sign; more than three of them, so that a slow database makes nobody look dead."""
RATE_OVER_S = 60.0


class Tally:
    """Counts what was finished in the last minute. Touched by all threads of a worker."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._ends: deque[float] = deque()

    def note(self, **_kwargs: object) -> None:
        """One more was finished."""
        self._ends.append(self._monotonic())

    def per_s(self) -> float:
        """Over the last minute."""
        since = self._monotonic() - RATE_OVER_S
        while self._ends and self._ends[0] <= since:
            self._ends.popleft()
        return len(self._ends) / RATE_OVER_S


class Attendance:
    """One thread in each worker. The worker serves one stage, whose name is that of its queue."""

    def __init__(self, records: QueueRecords, clock: Clock, gate: QueueGate, worker: Worker, tally: Tally) -> None:
        self._records = records
        self._clock = clock
        self._gate = gate
        self._worker = worker
        self._tally = tally
        self._signed_at_s: float | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._attend, name="attendance", daemon=True)

    def begin(self) -> None:
        """Look for the first time. A worker that cannot know whether its queue is paused takes nothing."""
        is_open = False
        with suppress(RecordsUnavailable):
            is_open = not self._is_paused()
        self._gate.begin(is_open=is_open)
        self._thread.start()

    def look(self) -> None:
        """Follow the records once, and say that this worker lives. Raises `RecordsUnavailable`."""
        self._gate.set(is_open=not self._is_paused())
        now_s = self._clock.monotonic()
        if self._signed_at_s is None or now_s - self._signed_at_s >= SIGN_EVERY_S:
            self._sign()
            self._signed_at_s = now_s

    def close(self) -> None:
        """Say that this worker has ended."""
        self._closed.set()
        self._thread.join(LOOK_EVERY_S)
        with suppress(RecordsUnavailable):
            self._records.check_out(self._worker.name)

    def _is_paused(self) -> bool:
        return not self._records.paused().keys().isdisjoint(self._worker.stages)

    def _sign(self) -> None:
        seen = replace(self._worker, seen_at=self._clock.now(), finished_per_s=self._tally.per_s())
        self._records.check_in(seen, lease_s=ALIVE_FOR_S)

    def _attend(self) -> None:
        while not self._closed.is_set():
            self._look_safely()
            self._closed.wait(LOOK_EVERY_S)

    def _look_safely(self) -> None:
        try:
            self.look()
        except RecordsUnavailable as error:
            # The gate stays as it is: nothing can be claimed meanwhile.
            log.warning("attendance not taken: %s", error)
        except Exception:
            log.exception("attendance not taken")


@contextmanager
def attending(
    records: QueueRecords, clock: Clock, gate: QueueGate, name: str, queue: str, *, concurrency: int
) -> Iterator[None]:
    """Attend while the block runs the worker of this name."""
    tally, now = Tally(), clock.now()
    task_postrun.connect(tally.note, weak=False)
    host, pid = socket.gethostname(), os.getpid()
    worker = Worker(name, (queue,), host, pid, started_at=now, seen_at=now, concurrency=concurrency)
    attendance = Attendance(records, clock, gate, worker, tally)
    attendance.begin()
    try:
        yield
    finally:
        attendance.close()
