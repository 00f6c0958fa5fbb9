"""How a call ended: pybreaker judges it, and the states are told what that changes.

pybreaker is shown a call only when it is over. What it would hold for as long as a call runs, or keep of a breaker
between calls, is wrong where others see the same breaker: its `call` holds a lock, it lets everybody try a half-open
dependency, and noticing that another process has closed the breaker clears the failures counted since.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import pybreaker

from orchestration.outbound.breakers_states import BreakerStates


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was let through."""

    dependency: str
    token: str
    is_trial: bool
    """Whether it alone may try a dependency that failed."""


class _Failure(Exception):
    """What pybreaker is shown for a call that failed."""


def report(states: BreakerStates, call: Call, healthy: bool | None, *, fail_max: int, pause_s: float) -> None:
    """Count a call that is over; None counts as neither success nor failure."""
    if healthy is None:
        if call.is_trial:
            states.release(call.dependency, call.token)
        return
    storage = _CallStorage(states, call, pause_s)
    machine = pybreaker.CircuitBreaker(fail_max, pause_s, state_storage=storage, throw_new_error_on_trip=False)
    with suppress(_Failure), machine.calling():
        if not healthy:
            raise _Failure


class _CallStorage(pybreaker.CircuitBreakerStorage):
    """What pybreaker knows of a breaker during one report: the state in which the call was admitted.

    A trial is not counted: its one outcome decides.
    """

    def __init__(self, states: BreakerStates, call: Call, pause_s: float) -> None:
        super().__init__(call.dependency)
        self._states = states
        self._call = call
        self._pause_s = pause_s
        self._state = pybreaker.STATE_HALF_OPEN if call.is_trial else pybreaker.STATE_CLOSED
        self._failures = 0
        self._successes = 0

    @property
    def state(self) -> str:
        return self._state

    @state.setter
    def state(self, state: str) -> None:
        self._state = state
        if state == pybreaker.STATE_CLOSED:
            self._states.close(self._call.dependency, self._call.token)
        elif self._call.is_trial:
            self._states.reopen(self._call.dependency, self._call.token, self._pause_s)
        else:
            self._states.open(self._call.dependency, self._pause_s)

    def increment_counter(self) -> None:
        if not self._call.is_trial:
            self._failures = self._states.count_failure(self._call.dependency)

    def reset_counter(self) -> None:
        if not self._call.is_trial:
            self._states.forget_failures(self._call.dependency)

    @property
    def counter(self) -> int:
        return self._failures

    def increment_success_counter(self) -> None:
        self._successes += 1

    def reset_success_counter(self) -> None:
        self._successes = 0

    @property
    def success_counter(self) -> int:
        return self._successes

    @property
    def opened_at(self) -> datetime | None:
        """Unknown here: the states measure the pause, on one clock for all."""
        return None

    @opened_at.setter
    def opened_at(self, _at: datetime) -> None:
        pass
