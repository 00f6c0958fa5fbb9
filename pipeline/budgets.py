"""Budgets for language models: how much may be spent in a day or a month, by all tenants and by each.

Before a call its largest possible cost is taken from every budget that it falls under, all or none, and after it what
was not needed is given back. So calls that run at the same time cannot exceed a budget together, and one whose worker
dies has spent what was taken: the server may have done the work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

EVERYBODY = "*"
"""Stands for all tenants together. No tenant is called so."""


class Period(StrEnum):
    """How long a budget is for, in UTC."""

    DAY = "day"
    MONTH = "month"

    def name_at(self, at: datetime) -> str:
        """The period that a moment is in.

        >>> moment = datetime(2026, 11, 28, 23, 30, tzinfo=UTC)
        >>> Period.DAY.name_at(moment), Period.MONTH.name_at(moment)
        ('2026-11-28', '2026-11')
        """
        return at.astimezone(UTC).strftime("%Y-%m-%d" if self is Period.DAY else "%Y-%m")

    def renewed_at(self, at: datetime) -> datetime:
        """When the next period begins.

        >>> moment = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
        >>> {Period.DAY.renewed_at(moment), Period.MONTH.renewed_at(moment)}
        {datetime.datetime(2027, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)}
        """
        today = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if self is Period.DAY:
            return today + timedelta(days=1)
        return (today.replace(day=1) + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True, slots=True, order=True)
class Budget:
    """What somebody may spend in each period."""

    scope: str
    """A tenant, or `EVERYBODY` together."""
    period: Period
    limit_micros: int


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget and what is left of it."""

    budget: Budget
    used_micros: int
    """Taken for calls that run included."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds where nothing else was set, in millionths of the currency; None for no limit."""

    all_by_day: int | None = None
    all_by_month: int | None = None
    tenant_by_day: int | None = None
    tenant_by_month: int | None = None

    def budgets_of(self, tenant_id: str, own: Mapping[tuple[str, Period], int]) -> Sequence[Budget]:
        """All budgets that a call of a tenant falls under, in an order that is the same for all.

        >>> own = {("acme", Period.DAY): 7}
        >>> [(each.scope, each.limit_micros) for each in Limits(all_by_day=9, tenant_by_day=5).budgets_of("acme", own)]
        [('*', 9), ('acme', 7)]
        """
        usual = {
            (EVERYBODY, Period.DAY): self.all_by_day,
            (EVERYBODY, Period.MONTH): self.all_by_month,
            (tenant_id, Period.DAY): self.tenant_by_day,
            (tenant_id, Period.MONTH): self.tenant_by_month,
        }
        limits = {key: own.get(key, limit) for key, limit in usual.items()}
        return sorted(Budget(*key, limit) for key, limit in limits.items() if limit is not None)


def micros_of(money: Decimal) -> int:
    """An amount of the currency in millionths, what is less left out.

    >>> micros_of(Decimal("2.50"))
    2500000
    """
    return int(money * 1_000_000)


class BudgetRecords(Protocol):
    """What is used of budgets. The records are the truth: losing Redis changes nothing."""

    def own_limits(self, scopes: Sequence[str]) -> Mapping[tuple[str, Period], int]:
        """The limits that were set for these, by scope and period."""

    def all_limits(self) -> Mapping[tuple[str, Period], int]:
        """All limits that were set."""

    def set_limit(self, scope: str, period: Period, micros: int | None) -> None:
        """Set a limit, or go back to the usual one. What waits for a budget is tried at once, by `retry_parked`."""

    def take(self, budgets: Sequence[Budget], micros: int, at: datetime) -> Budget | None:
        """Take this from all budgets, or from none: then the first one that has too little left is returned."""

    def give_back(self, budgets: Sequence[Budget], micros: int, at: datetime) -> None:
        """Give back what was taken at the moment `at` and not needed; a negative sum is taken besides."""

    def used(self, budgets: Sequence[Budget], at: datetime) -> Sequence[BudgetState]:
        """What is used of these budgets in the periods of a moment."""

    def retry_parked(self, code: str) -> int:
        """Make stages that wait because of this error due, to be launched at once; returns how many."""
