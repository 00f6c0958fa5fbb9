"""Calls and tokens per minute, kept by all workers together; what the server says of its own limits is obeyed, too.

Whoever has to wait is postponed, and its worker does something else.
"""

from dataclasses import dataclass

from orchestration.outbound.llm_exchange import Ask, Exchange, Layer
from orchestration.outbound.pace import Pace, PaceStates
from orchestration.outbound.rate_headers import exhausted_for_s
from stages.contract import Postponed, Scope, StageError


@dataclass(frozen=True, slots=True)
class PacedEndpoint(Layer):
    """Implements `Endpoint` around another one. Each model has limits of its own, as servers have them."""

    states: PaceStates
    pace: Pace

    def exchange(self, ask: Ask, scope: Scope) -> Exchange:
        """Ask when it is time. Raises `Postponed` with `llm_throttled` until then, or as the inner one."""
        model, tokens = f"{self.endpoint}/{ask.model}", ask.input_tokens + ask.max_tokens
        wait_s = self.states.admit(model, _ticket(ask), self.pace.call_s(), self.pace.tokens_s(tokens))
        if wait_s > 0:
            raise Postponed("llm_throttled", delay_s=wait_s)
        try:
            exchange = self.inner.exchange(ask, scope)
        except StageError as error:
            self._learn_from(error, model, tokens)
            raise
        taken = exchange.usage.input_tokens + exchange.usage.output_tokens
        self._correct(model, taken - tokens)
        self._pause(model, exhausted_for_s(exchange.headers, tokens))
        return exchange

    def _learn_from(self, error: StageError, model: str, tokens: int) -> None:
        """The server answered nothing, so it took no tokens; for how long it wants no more is for all workers."""
        self._correct(model, -tokens)
        if isinstance(error, Postponed) and error.code == "llm_rate_limited":
            self._pause(model, error.delay_s)

    def _correct(self, model: str, tokens: int) -> None:
        if self.pace.tokens:
            self.states.correct(model, self.pace.tokens_s(tokens))

    def _pause(self, model: str, pause_s: float) -> None:
        if pause_s > 0:
            self.states.pause(model, pause_s)


def _ticket(ask: Ask) -> str:
    key = ask.caller.hold.key
    return f"{key.job_id}:{key.run}:{key.stage}:{key.part}"
