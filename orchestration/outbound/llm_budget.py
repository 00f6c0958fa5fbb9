"""Budgets that cannot be exceeded: what a call may cost at most is taken before it is made."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random

from orchestration.outbound.llm_exchange import Ask, Exchange, Layer
from orchestration.outbound.prices import Prices
from pipeline.budgets import EVERYBODY, Budget, BudgetRecords, Limits
from pipeline.errors import RecordsUnavailable
from stages.contract import Clock, Postponed, Scope, StageError

log = logging.getLogger(__name__)

SPREAD_S = 60.0
"""Over how long those that wait for the next period are spread."""
UNCHARGED = frozenset({"llm_rate_limited", "llm_denied", "llm_rejected", "llm_unavailable", "dependency_unavailable"})
"""Errors after which nothing is charged. After a time-out, or a call that was broken off, all may be."""


@dataclass(frozen=True, slots=True)
class BudgetedEndpoint(Layer):
    """Implements `Endpoint` around another one. A model without a price falls under no budget."""

    records: BudgetRecords
    prices: Prices
    limits: Limits
    clock: Clock
    random: Random

    def exchange(self, ask: Ask, scope: Scope) -> Exchange:
        """Ask within the budgets. Raises `Postponed` with `budget_exhausted`, or as the inner one."""
        micros = self.prices.micros(ask.model, ask.input_tokens, ask.max_tokens)
        if not micros:
            return self.inner.exchange(ask, scope)
        at = self.clock.now()
        budgets = self._take(ask.caller.tenant_id, micros, at)
        try:
            exchange = self.inner.exchange(ask, scope)
        except StageError as error:
            if error.code in UNCHARGED:
                self._give_back(budgets, micros, at)
            raise
        spent = self.prices.spent(ask.model, exchange.usage).micros
        self._give_back(budgets, micros - spent, at)
        return exchange

    def _take(self, tenant_id: str, micros: int, at: datetime) -> Sequence[Budget]:
        own = self.records.own_limits((EVERYBODY, tenant_id))
        budgets = self.limits.budgets_of(tenant_id, own)
        lacking = self.records.take(budgets, micros, at) if budgets else None
        if lacking is None:
            return budgets
        delay_s = (lacking.period.renewed_at(at) - at).total_seconds() + self.random.uniform(0, SPREAD_S)
        raise Postponed("budget_exhausted", _why(lacking), delay_s=delay_s)

    def _give_back(self, budgets: Sequence[Budget], micros: int, at: datetime) -> None:
        """What cannot be given back stays taken; the answer is worth more."""
        try:
            self.records.give_back(budgets, micros, at)
        except RecordsUnavailable as error:
            log.warning("%d millionths of a budget are not given back: %s", micros, error)


def _why(lacking: Budget) -> str:
    whose = "all tenants" if lacking.scope == EVERYBODY else "the tenant"
    return f"The budget of {whose} for language models is used up for this {lacking.period}."
