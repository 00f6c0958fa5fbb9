"""Circuit breakers, one for each external dependency: where calls keep failing, stop calling for a while.

breakers            who may call, who waits and for how long
breakers_report     how a call ended, judged by pybreaker
breakers_states     what is known of each dependency, as a port
breakers_local      ... known to this process
breakers_shared     ... known to all workers, in Redis
breakers_fallback   ... in Redis, and in this process while Redis does not answer
"""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from secrets import token_hex
from threading import Event, Thread

from orchestration.outbound.breakers_report import Call, report
from orchestration.outbound.breakers_states import BreakerStates, Seen, Standing
from stages.contract import Awaited, Cancelled, Postponed, StageError

TRIAL_DELAY_S = 5.0
"""How long the others wait, at most, while one call tries whether the dependency has recovered."""


class CircuitBreakers:
    """Implements `pipeline.ports.Breakers` over states that may be shared.

    - `states`: what is known of the dependencies.
    - `fail_max`: failures in a row that open a breaker; default 5.
    - `reset_timeout_s`: how long it then stays open; default 30 s.
    - `trial_lease_s`: how long the right to try a dependency outlives the process that had it; default 10 s.
    """

    def __init__(
        self,
        states: BreakerStates,
        random: Random,
        *,
        fail_max: int = 5,
        reset_timeout_s: float = 30.0,
        trial_lease_s: float = 10.0,
    ) -> None:
        self._states = states
        self._random = random
        self._fail_max = fail_max
        self._reset_timeout_s = reset_timeout_s
        self._trial_lease_s = trial_lease_s

    @contextmanager
    def guard(self, dependency: str) -> Iterator[None]:
        """Let the block run, and learn from how it ends. Its own exception always comes through.

        Failures are `StageError`s that blame the dependency. Any other `StageError` shows that it is alive;
        a cancellation, waiting for a turn, a defect or the end of the process shows nothing.

        Raises `Postponed` with code `dependency_unavailable` while the breaker is open.
        """
        call = self._admitted(dependency)
        healthy: bool | None = None
        try:
            with self._lease_kept(call):
                yield
            healthy = True
        except StageError as error:
            healthy = None if isinstance(error, Awaited | Cancelled) else not error.blames_dependency
            raise
        finally:
            report(self._states, call, healthy, fail_max=self._fail_max, pause_s=self._reset_timeout_s)

    def _admitted(self, dependency: str) -> Call:
        token = token_hex(8)
        seen = self._states.admit(dependency, token, self._trial_lease_s)
        if seen.standing in {Standing.OPEN, Standing.TRIED}:
            raise Postponed("dependency_unavailable", delay_s=self._delay_s(seen))
        return Call(dependency, token, is_trial=seen.standing is Standing.TRIAL)

    def _delay_s(self, seen: Seen) -> float:
        """Spread out, so that those who wait come back one after the other.

        Where an operator opened it for longer than usual they ask in between: he may have closed it again.
        """
        if seen.standing is Standing.OPEN:
            remaining_s = min(seen.remaining_s, self._reset_timeout_s)
            return remaining_s + self._random.uniform(0, self._reset_timeout_s / 4)
        return self._random.uniform(TRIAL_DELAY_S / 2, TRIAL_DELAY_S)

    @contextmanager
    def _lease_kept(self, call: Call) -> Iterator[None]:
        """Keep the lease of a trial: a call may take minutes, and one whose process died should not cost as many."""
        if not call.is_trial:
            yield
            return
        is_over = Event()
        Thread(target=self._renew, args=(call, is_over), name="breaker-trial", daemon=True).start()
        try:
            yield
        finally:
            is_over.set()

    def _renew(self, call: Call, is_over: Event) -> None:
        while not is_over.wait(self._trial_lease_s / 3):
            self._states.renew(call.dependency, call.token, self._trial_lease_s)
