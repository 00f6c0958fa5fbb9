"""The circuit breaker of an endpoint, around the calls themselves: what needs no call does not wait for it."""

from dataclasses import dataclass

from orchestration.outbound.llm_exchange import Ask, Exchange, Layer
from pipeline.outbound_ports import Breakers
from stages.contract import Scope


@dataclass(frozen=True, slots=True)
class GuardedEndpoint(Layer):
    """Implements `Endpoint` around another one."""

    breakers: Breakers

    def exchange(self, ask: Ask, scope: Scope) -> Exchange:
        """Ask unless the breaker is open: then raises `Postponed` with `dependency_unavailable`."""
        with self.breakers.guard(f"llm:{self.endpoint}"):
            return self.inner.exchange(ask, scope)
