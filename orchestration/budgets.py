"""Budgets, for those who look at them and set them."""

from collections.abc import Sequence

from pipeline.budgets import EVERYBODY, BudgetState, Limits, Period
from pipeline.ports import Records
from stages.contract import Clock

CODE = "budget_exhausted"


class BudgetDesk:
    """Shows what is left of budgets, and sets them."""

    def __init__(self, records: Records, limits: Limits, clock: Clock) -> None:
        self._records = records
        self._limits = limits
        self._clock = clock

    def of_tenant(self, tenant_id: str) -> Sequence[BudgetState]:
        """A tenant's own budgets, without those of all together."""
        return [state for state in self._states(tenant_id) if state.budget.scope == tenant_id]

    def overview(self) -> Sequence[BudgetState]:
        """The budgets of all together, and those that were set for single tenants."""
        scopes = {EVERYBODY, *(scope for scope, _ in self._records.all_limits())}
        found = {state.budget: state for scope in sorted(scopes) for state in self._states(scope)}
        return [found[budget] for budget in sorted(found)]

    def set_limit(self, scope: str, period: Period, micros: int | None) -> int:
        """Set what somebody may spend; None for the usual. Returns how many stages look again whether there is room."""
        self._records.set_limit(scope, period, micros)
        return self._records.retry_parked(CODE)

    def _states(self, scope: str) -> Sequence[BudgetState]:
        own = self._records.own_limits((EVERYBODY, scope))
        return self._records.used(self._limits.budgets_of(scope, own), self._clock.now())
