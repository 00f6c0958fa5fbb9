"""States that are shared, and this process's own while Redis does not answer: a call never waits for its breaker."""

from orchestration.outbound.breakers_local import LocalStates
from orchestration.outbound.breakers_shared import SharedStates
from orchestration.outbound.breakers_states import BreakerStates, Seen
from orchestration.outbound.fallback import SharedOrOwn, timeout_s
from orchestration.transport.urls import read_url
from stages.contract.tools import Clock


def states_at(url: str, clock: Clock) -> BreakerStates:
    """The states at a broker's URL; those of this process where the broker is not Redis."""
    local = LocalStates(clock)
    try:
        target = read_url(url)
    except ValueError:
        return local
    return FallbackStates(SharedStates(target, timeout_s=timeout_s(len(target.sentinels))), local, clock)


class FallbackStates:
    """Implements `BreakerStates` over those of all workers and those of this process.

    A call may begin with one and end with the other. A failure counts where it is reported, a trial only where it
    began; the lease ends the one that nobody will.
    """

    def __init__(self, shared: BreakerStates, local: BreakerStates, clock: Clock) -> None:
        self._states = SharedOrOwn(shared, local, clock, "breakers")

    def admit(self, dependency: str, token: str, lease_s: float) -> Seen:
        """Ask to call."""
        return self._states.ask(lambda states: states.admit(dependency, token, lease_s))

    def forget_failures(self, dependency: str) -> None:
        """A call succeeded."""
        self._states.ask(lambda states: states.forget_failures(dependency))

    def count_failure(self, dependency: str) -> int:
        """A call failed."""
        return self._states.ask(lambda states: states.count_failure(dependency))

    def open(self, dependency: str, pause_s: float) -> None:
        """Too many failed."""
        self._states.ask(lambda states: states.open(dependency, pause_s))

    def renew(self, dependency: str, token: str, lease_s: float) -> None:
        """The trial still runs."""
        self._states.ask(lambda states: states.renew(dependency, token, lease_s))

    def close(self, dependency: str, token: str) -> None:
        """The trial succeeded."""
        self._states.ask(lambda states: states.close(dependency, token))

    def reopen(self, dependency: str, token: str, pause_s: float) -> None:
        """The trial failed."""
        self._states.ask(lambda states: states.reopen(dependency, token, pause_s))

    def release(self, dependency: str, token: str) -> None:
        """The trial showed nothing."""
        self._states.ask(lambda states: states.release(dependency, token))
