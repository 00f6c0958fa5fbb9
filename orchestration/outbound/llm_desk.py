"""Where attempts ask the language model: counts each call for the attempt that made it, good answer or bad."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orchestration.outbound.llm_exchange import Ask, Endpoint, Exchange
from orchestration.outbound.llm_gauge import TokenGauge
from orchestration.outbound.prices import Prices
from pipeline.spending import Caller, Spent
from stages.contract import Completion, Llm, Message, Scope
from stages.contract.tools import OnText


@dataclass(frozen=True, slots=True)
class LlmDesk:
    """Implements `pipeline.ports.LanguageModels`."""

    inner: Endpoint
    prices: Prices
    gauge: TokenGauge = field(default_factory=TokenGauge)

    def on_behalf_of(self, caller: Caller) -> Llm:
        """A model for one attempt."""
        return CountedLlm(self.inner, self.prices, self.gauge, caller)


@dataclass(frozen=True, slots=True)
class CountedLlm:
    """Implements `stages.contract.Llm` for one attempt."""

    inner: Endpoint
    prices: Prices
    gauge: TokenGauge
    caller: Caller

    @property
    def endpoint(self) -> str:
        """Host and port."""
        return self.inner.endpoint

    @property
    def max_input_tokens(self) -> int:
        """How large a text fits beside the instructions and the answer."""
        return self.inner.max_input_tokens

    def count_tokens(self, text: str) -> int:
        """About how many tokens a text is."""
        return self.gauge.count(self.inner.model, text)

    def complete(
        self,
        messages: Sequence[Message],
        scope: Scope,
        *,
        max_tokens: int,
        model: str | None = None,
        schema: Mapping[str, Any] | None = None,
        on_text: OnText | None = None,
    ) -> Completion:
        """Ask once. Raises `StageError` with one of the `llm_*` codes, or `Cancelled`."""
        ask = Ask(self.caller, model or self.inner.model, tuple(messages), max_tokens, schema, on_text)
        exchange = self.inner.exchange(ask, scope)
        if not exchange.is_estimated:
            self.gauge.note(ask.model, ask.input_tokens, exchange.usage.input_tokens)
        self.caller.meter.add(ask.model, self._spent(ask, exchange))
        return replace(exchange.completion(), usage=exchange.usage)

    def _spent(self, ask: Ask, exchange: Exchange) -> Spent:
        if exchange.saved is not None:
            return self.prices.saved(ask.model, exchange.saved)
        return replace(self.prices.spent(ask.model, exchange.usage), estimated_calls=int(exchange.is_estimated))
