"""Budgets in the records in SQL: which transaction each method is."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from orchestration.storage import records_budgets as budgets_of
from orchestration.storage.engine import Database
from pipeline.budgets import Budget, BudgetState, Period


class SqlBudgets:
    """The part of `SqlRecords` that keeps budgets."""

    _database: Database

    def own_limits(self, scopes: Sequence[str]) -> Mapping[tuple[str, Period], int]:
        """The limits that were set for these."""
        with self._database.read() as connection:
            return budgets_of.limits(connection, scopes)

    def all_limits(self) -> Mapping[tuple[str, Period], int]:
        """All limits that were set."""
        with self._database.read() as connection:
            return budgets_of.limits(connection)

    def set_limit(self, scope: str, period: Period, micros: int | None) -> None:
        """Set a limit, or go back to the usual one."""
        with self._database.write(durable=True) as connection:
            budgets_of.set_limit(connection, scope, period, micros)

    def take(self, budgets: Sequence[Budget], micros: int, at: datetime) -> Budget | None:
        """Take this from all budgets, or from none."""
        with self._database.write() as connection:
            return budgets_of.take(connection, budgets, micros, at)

    def give_back(self, budgets: Sequence[Budget], micros: int, at: datetime) -> None:
        """Give back what was not needed."""
        with self._database.write() as connection:
            budgets_of.give_back(connection, budgets, micros, at)

    def used(self, budgets: Sequence[Budget], at: datetime) -> Sequence[BudgetState]:
        """What is used of these budgets."""
        with self._database.read() as connection:
            return budgets_of.used(connection, budgets, at)

    def retry_parked(self, code: str) -> int:
        """Make stages that wait because of this error due."""
        with self._database.write() as connection:
            return budgets_of.retry_parked(connection, code)
