"""What all workers share in Redis, and each process's own while Redis does not answer: a call never waits for it."""

import logging
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from redis.exceptions import RedisError

from stages.contract.tools import Clock

log = logging.getLogger(__name__)

PATIENCE_S = 0.1
"""What a call may lose on learning that Redis is gone, or all of its sentinels."""
MOST_PER_STEP_S = 0.04
"""For connecting and for each answer."""
AWAY_S = 5.0
"""How long Redis, once it did not answer, is not asked again."""

S = TypeVar("S")
T = TypeVar("T")


def timeout_s(sentinels: int) -> float:
    """For one step: one for the server, and the time of one for what redis-py does on the way."""
    return min(MOST_PER_STEP_S, PATIENCE_S / (2 + sentinels))


class SharedOrOwn(Generic[S]):
    """Puts questions to what is shared, or to this process's own."""

    def __init__(self, shared: S, own: S, clock: Clock, what: str) -> None:
        """`what` it is, in the plural, for the log."""
        self._shared = shared
        self._own = own
        self._clock = clock
        self._what = what
        self._lock = Lock()
        self._away_until: float | None = None

    def ask(self, question: Callable[[S], T]) -> T:
        """Ask what is shared; while it does not answer, what is this process's own."""
        if self._may_ask_shared():
            try:
                answer = question(self._shared)
            except (RedisError, OSError) as error:
                self._note_absence(error)
            else:
                self._note_presence()
                return answer
        return question(self._own)

    def _may_ask_shared(self) -> bool:
        """After an absence one call looks whether it is over; the others do not wait for what it finds."""
        with self._lock:
            if self._away_until is None:
                return True
            now = self._clock.monotonic()
            if now < self._away_until:
                return False
            self._away_until = now + AWAY_S
            return True

    def _note_absence(self, error: Exception) -> None:
        with self._lock:
            if self._away_until is None:
                log.warning("%s are this process's own for now: %.200s", self._what, error)
            self._away_until = self._clock.monotonic() + AWAY_S

    def _note_presence(self) -> None:
        with self._lock:
            was_away, self._away_until = self._away_until is not None, None
        if was_away:
            log.warning("%s are shared again", self._what)
