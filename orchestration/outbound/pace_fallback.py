"""Limits that all workers share, and this process's own while Redis does not answer."""

from orchestration.outbound.fallback import SharedOrOwn, timeout_s
from orchestration.outbound.pace import PaceStates
from orchestration.outbound.pace_local import LocalPace
from orchestration.outbound.pace_shared import SharedPace
from orchestration.transport.urls import read_url
from stages.contract import Clock


def pace_at(url: str, clock: Clock) -> PaceStates:
    """The clocks at a broker's URL; those of this process where the broker is not Redis."""
    own = LocalPace(clock)
    try:
        target = read_url(url)
    except ValueError:
        return own
    return FallbackPace(SharedPace(target, timeout_s=timeout_s(len(target.sentinels))), own, clock)


class FallbackPace:
    """Implements `PaceStates` over those of all workers and those of this process.

    While Redis is away each process keeps to the whole limit by itself. Little is asked then: without Redis no stage
    is begun.
    """

    def __init__(self, shared: PaceStates, own: PaceStates, clock: Clock) -> None:
        self._states = SharedOrOwn(shared, own, clock, "limits of language models")

    def admit(self, model: str, ticket: str, call_s: float, tokens_s: float) -> float:
        """Ask to call."""
        return self._states.ask(lambda states: states.admit(model, ticket, call_s, tokens_s))

    def correct(self, model: str, tokens_s: float) -> None:
        """A call took more or fewer tokens than it seemed."""
        self._states.ask(lambda states: states.correct(model, tokens_s))

    def pause(self, model: str, pause_s: float) -> None:
        """The server asks for patience."""
        self._states.ask(lambda states: states.pause(model, pause_s))
