"""The clocks of the language models, as this process knows them."""

from dataclasses import dataclass, field
from threading import Lock

from orchestration.outbound.pace import BURST_S, KEPT_S
from stages.contract import Clock

SWEEP_AT = 10_000
"""Reserved moments, more than which those that were never used are looked for."""


@dataclass
class _Clocks:
    calls: float = 0.0
    tokens: float = 0.0
    paused_until: float = 0.0
    tickets: dict[str, float] = field(default_factory=dict)


class LocalPace:
    """Implements `PaceStates` for one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._models: dict[str, _Clocks] = {}
        self._lock = Lock()

    def admit(self, model: str, ticket: str, call_s: float, tokens_s: float) -> float:
        """Ask to call."""
        with self._lock:
            clocks, now = self._models.setdefault(model, _Clocks()), self._clock.monotonic()
            reserved = clocks.tickets.pop(ticket, None)
            if reserved is not None and now < reserved + KEPT_S and now >= clocks.paused_until:
                return self._wait(clocks, ticket, now, reserved)
            ahead = max(clocks.calls if call_s else 0.0, clocks.tokens if tokens_s else 0.0) - BURST_S
            first = max(now, clocks.paused_until, ahead)
            clocks.calls = max(clocks.calls, now, clocks.paused_until) + call_s
            clocks.tokens = max(clocks.tokens, now, clocks.paused_until) + tokens_s
            return self._wait(clocks, ticket, now, first)

    def correct(self, model: str, tokens_s: float) -> None:
        """A call took more or fewer tokens than it seemed."""
        with self._lock:
            if model in self._models:
                self._models[model].tokens += tokens_s

    def pause(self, model: str, pause_s: float) -> None:
        """The server asks for patience."""
        with self._lock:
            clocks, until = self._models.setdefault(model, _Clocks()), self._clock.monotonic() + pause_s
            clocks.paused_until = max(clocks.paused_until, until)

    def _wait(self, clocks: _Clocks, ticket: str, now: float, first: float) -> float:
        if first <= now:
            return 0.0
        clocks.tickets[ticket] = first
        if len(clocks.tickets) > SWEEP_AT:
            clocks.tickets = {each: at for each, at in clocks.tickets.items() if now < at + KEPT_S}
        return first - now
