"""Where attempts ask the language model: counts each call for the attempt that made it, good answer or bad."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestration.outbound.llm_exchange import Ask, Endpoint, Exchange
from orchestration.outbound.prices import Prices
from pipeline.spending import Caller, Spent
from stages.contract import Completion, Llm, Message, Scope


@dataclass(frozen=True, slots=True)
class LlmDesk:
    """Implements `pipeline.ports.LanguageModels`."""

    inner: Endpoint
    prices: Prices

    def on_behalf_of(self, caller: Caller) -> Llm:
        """A model for one attempt."""
        return CountedLlm(self.inner, self.prices, caller)


@dataclass(frozen=True, slots=True)
class CountedLlm:
    """Implements `stages.contract.Llm` for one attempt."""

    inner: Endpoint
    prices: Prices
    caller: Caller

    @property
    def endpoint(self) -> str:
        """Host and port."""
        return self.inner.endpoint

    @property
    def max_input_chars(self) -> int:
        """The longest text that fits beside the instructions."""
        return self.inner.max_input_chars

    def complete(
        self,
        messages: Sequence[Message],
        scope: Scope,
        *,
        max_tokens: int,
        model: str | None = None,
        schema: Mapping[str, Any] | None = None,
    ) -> Completion:
        """Ask once. Raises `StageError` with one of the `llm_*` codes, or `Cancelled`."""
        ask = Ask(self.caller, model or self.inner.model, tuple(messages), max_tokens, schema)
        exchange = self.inner.exchange(ask, scope)
        self.caller.meter.add(ask.model, self._spent(ask, exchange))
        return replace(exchange.completion(), usage=exchange.usage)

    def _spent(self, ask: Ask, exchange: Exchange) -> Spent:
        if exchange.saved is not None:
            return exchange.saved
        return replace(self.prices.spent(ask.model, exchange.usage), estimated_calls=int(exchange.is_estimated))
