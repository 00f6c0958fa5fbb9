"""Budgets in the records in memory."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from pipeline.budgets import Budget, BudgetState, Period
from pipeline.job import StageState
from pipeline.memory_store import MemoryStore
from stages.contract import Clock


class MemoryBudgets(MemoryStore):
    """Counts what is used by scope and period."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._limits: dict[tuple[str, Period], int] = {}
        self._used: Counter[tuple[str, str]] = Counter()

    def own_limits(self, scopes: Sequence[str]) -> Mapping[tuple[str, Period], int]:
        """The limits that were set for these."""
        return {key: limit for key, limit in self.all_limits().items() if key[0] in scopes}

    def all_limits(self) -> Mapping[tuple[str, Period], int]:
        """All limits that were set."""
        with self._lock:
            return dict(self._limits)

    def set_limit(self, scope: str, period: Period, micros: int | None) -> None:
        """Set a limit, or go back to the usual one."""
        with self._lock:
            if micros is None:
                self._limits.pop((scope, period), None)
            else:
                self._limits[scope, period] = micros

    def take(self, budgets: Sequence[Budget], micros: int, at: datetime) -> Budget | None:
        """Take this from all budgets, or from none."""
        with self._lock:
            for state in self.used(budgets, at):
                if state.used_micros + micros > state.budget.limit_micros:
                    return state.budget
            self.give_back(budgets, -micros, at)
            return None

    def give_back(self, budgets: Sequence[Budget], micros: int, at: datetime) -> None:
        """Give back what was not needed."""
        with self._lock:
            for budget in budgets:
                self._used[budget.scope, budget.period.name_at(at)] -= micros

    def used(self, budgets: Sequence[Budget], at: datetime) -> Sequence[BudgetState]:
        """What is used of these budgets."""
        with self._lock:
            return [BudgetState(each, self._used[each.scope, each.period.name_at(at)]) for each in budgets]

    def retry_parked(self, code: str) -> int:
        """Make stages that wait because of this error due."""
        with self._lock:
            ready = list(self._in_state(StageState.READY))
            parked = [stage for stage in ready if stage.record.error is not None and stage.record.error.code == code]
            for stage in parked:
                stage.record = replace(stage.record, not_before_s=0.0)
                stage.launched_at_s = None
            return len(parked)
