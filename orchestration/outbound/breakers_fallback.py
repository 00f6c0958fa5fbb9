"""States that are shared, and this process's own while Redis does not answer: a call never waits for its breaker."""

import logging
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from redis.exceptions import RedisError

from orchestration.outbound.breakers_local import LocalStates
from orchestration.outbound.breakers_shared import SharedStates
from orchestration.outbound.breakers_states import BreakerStates, Seen
from orchestration.transport.urls import read_url
from stages.contract.tools import Clock

log = logging.getLogger(__name__)

PATIENCE_S = 0.1
"""What a call may lose on learning that Redis is gone, or all of its sentinels."""
MOST_PER_STEP_S = 0.04
"""For connecting and for each answer."""
AWAY_S = 5.0
"""How long Redis, once it did not answer, is not asked again."""

T = TypeVar("T")


def states_at(url: str, clock: Clock) -> BreakerStates:
    """The states at a broker's URL; those of this process where the broker is not Redis."""
    local = LocalStates(clock)
    try:
        target = read_url(url)
    except ValueError:
        return local
    # One step for the server, and the time of one for what redis-py does on the way.
    timeout_s = min(MOST_PER_STEP_S, PATIENCE_S / (2 + len(target.sentinels)))
    return FallbackStates(SharedStates(target, timeout_s=timeout_s), local, clock)


class FallbackStates:
    """Implements `BreakerStates` over those of all workers and those of this process.

    A call may begin with one and end with the other. A failure counts where it is reported, a trial only where it
    began; the lease ends the one that nobody will.
    """

    def __init__(self, shared: BreakerStates, local: BreakerStates, clock: Clock) -> None:
        self._shared = shared
        self._local = local
        self._clock = clock
        self._lock = Lock()
        self._away_until: float | None = None

    def admit(self, dependency: str, token: str, lease_s: float) -> Seen:
        """Ask to call."""
        return self._ask(lambda states: states.admit(dependency, token, lease_s))

    def forget_failures(self, dependency: str) -> None:
        """A call succeeded."""
        self._ask(lambda states: states.forget_failures(dependency))

    def count_failure(self, dependency: str) -> int:
        """A call failed."""
        return self._ask(lambda states: states.count_failure(dependency))

    def open(self, dependency: str, pause_s: float) -> None:
        """Too many failed."""
        self._ask(lambda states: states.open(dependency, pause_s))

    def renew(self, dependency: str, token: str, lease_s: float) -> None:
        """The trial still runs."""
        self._ask(lambda states: states.renew(dependency, token, lease_s))

    def close(self, dependency: str, token: str) -> None:
        """The trial succeeded."""
        self._ask(lambda states: states.close(dependency, token))

    def reopen(self, dependency: str, token: str, pause_s: float) -> None:
        """The trial failed."""
        self._ask(lambda states: states.reopen(dependency, token, pause_s))

    def release(self, dependency: str, token: str) -> None:
        """The trial showed nothing."""
        self._ask(lambda states: states.release(dependency, token))

    def _ask(self, question: Callable[[BreakerStates], T]) -> T:
        if self._may_ask_shared():
            try:
                answer = question(self._shared)
            except (RedisError, OSError) as error:
                self._note_absence(error)
            else:
                self._note_presence()
                return answer
        return question(self._local)

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
                log.warning("breakers are this process's own for now: %.200s", error)
            self._away_until = self._clock.monotonic() + AWAY_S

    def _note_presence(self) -> None:
        with self._lock:
            was_away, self._away_until = self._away_until is not None, None
        if was_away:
            log.warning("breakers are shared again")
