"""Circuit breakers, one for each external dependency: where calls keep failing, stop calling for a while.

pybreaker counts and holds the state. It is told of a call only when the call is over: its own `call` holds a lock
while the call runs, its `calling` does not lock at all, and both let everyone in as soon as the breaker half-opens.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from threading import Lock

import pybreaker

from stages.contract import Cancelled, Postponed, StageError
from stages.contract.tools import Clock

PROBE_DELAY_S = 5.0
"""How long the others wait while one call tries whether the dependency has recovered."""


class LocalBreakers:
    """The breakers of one process.

    - `fail_max`: failures in a row that open a breaker; default 5.
    - `reset_timeout_s`: how long it then stays open; default 30 s.
    - `max_breakers`: how many are kept; those unused for longest are forgotten first. Default 1024.
    """

    def __init__(
        self,
        clock: Clock,
        random: Random,
        *,
        fail_max: int = 5,
        reset_timeout_s: float = 30.0,
        max_breakers: int = 1024,
    ) -> None:
        self._clock = clock
        self._random = random
        self._fail_max = fail_max
        self._reset_timeout_s = reset_timeout_s
        self._max_breakers = max_breakers
        self._breakers: OrderedDict[str, _Breaker] = OrderedDict()
        self._lock = Lock()

    @contextmanager
    def guard(self, dependency: str) -> Iterator[None]:
        """Let the block run, and learn from how it ends. Its own exception always comes through.

        Failures are `StageError`s that blame the dependency. Any other `StageError` shows that it is alive;
        a cancellation, a defect or the end of the process shows nothing.

        Raises `Postponed` with code `dependency_unavailable` while the breaker is open.
        """
        breaker = self._breaker(dependency)
        probing = breaker.admit()
        healthy: bool | None = None
        try:
            yield
            healthy = True
        except StageError as error:
            healthy = None if isinstance(error, Cancelled) else not error.blames_dependency
            raise
        finally:
            breaker.report(healthy, probing=probing)

    def _breaker(self, dependency: str) -> "_Breaker":
        with self._lock:
            breaker = self._breakers.get(dependency)
            if breaker is None:
                breaker = _Breaker(self._clock, self._random, self._fail_max, self._reset_timeout_s)
                self._breakers[dependency] = breaker
            self._breakers.move_to_end(dependency)
            if len(self._breakers) > self._max_breakers:
                self._breakers.popitem(last=False)
            return breaker


class _Failure(Exception):
    """What pybreaker is shown for a call that failed."""


class _Breaker:
    """pybreaker's state machine behind a lock that is never held during a call, with one probe at a time."""

    def __init__(self, clock: Clock, random: Random, fail_max: int, reset_timeout_s: float) -> None:
        self._clock = clock
        self._random = random
        self._reset_timeout_s = reset_timeout_s
        self._machine = pybreaker.CircuitBreaker(fail_max, reset_timeout_s, throw_new_error_on_trip=False)
        self._lock = Lock()
        self._open_until = 0.0
        self._is_probed = False

    def admit(self) -> bool:
        """Let a call through; True makes it the probe. Raises `Postponed` if it has to wait."""
        with self._lock:
            if self._machine.current_state == pybreaker.STATE_CLOSED:
                return False
            self._require_elapsed()
            self._is_probed = True
            self._machine.half_open()
            return True

    def _require_elapsed(self) -> None:
        remaining_s = self._open_until - self._clock.monotonic()
        if remaining_s > 0:
            spread_s = self._random.uniform(0, self._reset_timeout_s / 4)
            raise Postponed("dependency_unavailable", delay_s=remaining_s + spread_s)
        if self._is_probed:
            raise Postponed("dependency_unavailable", delay_s=self._random.uniform(PROBE_DELAY_S / 2, PROBE_DELAY_S))

    def report(self, healthy: bool | None, *, probing: bool) -> None:
        """Count a call that is over; None counts as neither. Calls that began before it opened are too late."""
        with self._lock:
            if probing:
                self._is_probed = False
            is_late = not probing and self._machine.current_state != pybreaker.STATE_CLOSED
            if healthy is None or is_late:
                return
            self._count(healthy)

    def _count(self, healthy: bool) -> None:
        try:
            self._machine.call(_succeed if healthy else _fail)
        except _Failure:
            if self._machine.current_state == pybreaker.STATE_OPEN:
                self._open_until = self._clock.monotonic() + self._reset_timeout_s


def _succeed() -> None:
    return


def _fail() -> None:
    raise _Failure
