"""What one process knows of the dependencies."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from orchestration.outbound.breakers_states import Seen, Standing
from stages.contract.tools import Clock


@dataclass(slots=True)
class _State:
    failures: int = 0
    open_until: float | None = None
    """On the monotonic clock; None while it is closed."""
    trial: str | None = None
    trial_until: float = 0.0


class LocalStates:
    """Implements `BreakerStates` for the threads of one process.

    - `max_breakers`: how many are kept; those unused for longest are forgotten first. Default 1024.
    """

    def __init__(self, clock: Clock, *, max_breakers: int = 1024) -> None:
        self._clock = clock
        self._max_breakers = max_breakers
        self._states: OrderedDict[str, _State] = OrderedDict()
        self._lock = Lock()

    def admit(self, dependency: str, token: str, lease_s: float) -> Seen:
        """Ask to call."""
        now = self._clock.monotonic()
        with self._state(dependency) as state:
            if state.open_until is None:
                return Seen(Standing.CLOSED)
            if now < state.open_until:
                return Seen(Standing.OPEN, state.open_until - now)
            if state.trial is not None and now < state.trial_until:
                return Seen(Standing.TRIED)
            state.trial, state.trial_until = token, now + lease_s
            return Seen(Standing.TRIAL)

    def forget_failures(self, dependency: str) -> None:
        """A call succeeded."""
        with self._state(dependency) as state:
            state.failures = 0

    def count_failure(self, dependency: str) -> int:
        """A call failed."""
        with self._state(dependency) as state:
            if state.open_until is not None:
                return 0
            state.failures += 1
            return state.failures

    def open(self, dependency: str, pause_s: float) -> None:
        """Too many failed."""
        with self._state(dependency) as state:
            if state.open_until is None:
                state.open_until = self._clock.monotonic() + pause_s

    def renew(self, dependency: str, token: str, lease_s: float) -> None:
        """The trial still runs."""
        with self._held(dependency, token) as state:
            state.trial_until = self._clock.monotonic() + lease_s

    def close(self, dependency: str, token: str) -> None:
        """The trial succeeded."""
        with self._held(dependency, token) as state:
            state.failures, state.open_until, state.trial = 0, None, None

    def reopen(self, dependency: str, token: str, pause_s: float) -> None:
        """The trial failed."""
        with self._held(dependency, token) as state:
            state.open_until, state.trial = self._clock.monotonic() + pause_s, None

    def release(self, dependency: str, token: str) -> None:
        """The trial showed nothing."""
        with self._held(dependency, token) as state:
            state.trial = None

    @contextmanager
    def _state(self, dependency: str) -> Iterator[_State]:
        with self._lock:
            state = self._states.setdefault(dependency, _State())
            self._states.move_to_end(dependency)
            if len(self._states) > self._max_breakers:
                self._states.popitem(last=False)
            yield state

    @contextmanager
    def _held(self, dependency: str, token: str) -> Iterator[_State]:
        """The state of a dependency for the holder of its trial; for anybody else one that is thrown away."""
        with self._state(dependency) as state:
            yield state if state.trial == token and self._clock.monotonic() < state.trial_until else _State()
