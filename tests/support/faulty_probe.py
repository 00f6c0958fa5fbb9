"""Clients that go on submitting while something is broken, and watch how the API bears it."""

import threading
import time
from types import TracebackType
from typing import Self

from tests.support.job_fleet import JobFleet, Submitted


class Clients:
    """One client that submits a job every `every_s`, round the clock, until the block ends."""

    def __init__(self, fleet: JobFleet, *, every_s: float = 0.5, **body: object) -> None:
        self._fleet = fleet
        self._every_s = every_s
        self._body = body
        self._over = threading.Event()
        self.accepted: list[Submitted] = []
        self.answers_s: list[float] = []
        self.refused = 0
        self.unanswered = 0

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._work, name="clients", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(60)

    @property
    def longest_answer_s(self) -> float:
        return max(self.answers_s, default=0.0)

    def _work(self) -> None:
        while not self._over.wait(self._every_s):
            unanswered, began_at = self._fleet.told.unanswered, time.monotonic()
            job = self._fleet.submit(**self._body)
            self.answers_s.append(time.monotonic() - began_at)
            if job is not None:
                self.accepted.append(job)
            elif self._fleet.told.unanswered > unanswered:
                self.unanswered += 1
            else:
                self.refused += 1
