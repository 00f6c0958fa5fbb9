"""The circuit breaker of an endpoint, around the calls themselves: what needs no call does not wait for it."""

from dataclasses import dataclass

from orchestration.outbound.llm_exchange import Ask, Exchange, Layer
from pipeline.outbound_ports import Breakers
from stages.contract import Scope, Transient


@dataclass(frozen=True, slots=True)
class GuardedEndpoint(Layer):
    """Implements `Endpoint` around another one."""

    breakers: Breakers

    def exchange(self, ask: Ask, scope: Scope) -> Exchange:
        """Ask unless the breaker is open: then raises `Postponed` with `dependency_unavailable`."""
        try:
            with self.breakers.guard(f"llm:{self.endpoint}"):
                exchange = self.inner.exchange(ask, scope)
                if exchange.broke_off is not None:
                    raise _BrokeOff(exchange)
        except _BrokeOff as error:
            return error.exchange
        return exchange


class _BrokeOff(Transient):
    """Tells the breaker of an answer that others have to know the price of."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__("llm_unavailable")
        self.exchange = exchange
