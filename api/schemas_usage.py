"""What goes out of the HTTP API about what language models cost."""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.budgets import BudgetState, Period
from pipeline.spending import DayOfUsage, Spent, total

USAGE = "/v1/usage"
MAX_DAYS = 366
MICRO = Decimal("0.000001")
Groups = Literal["day", "model"]
K = TypeVar("K", date, str)


class UsageView(BaseModel):
    """What calls to language models cost. Money is a decimal number in quotes, in `currency`."""

    calls: int = Field(description="Answers had, those from the cache included.")
    cached_calls: int = Field(description="Answers from the cache, which cost nothing.")
    input_tokens: int
    output_tokens: int
    cost: Decimal | None = Field(description="Null where no model that was asked has a price.")
    currency: str | None
    unpriced_calls: int = Field(description="Calls of models without a price; they are not in `cost`.")
    estimated_calls: int = Field(description="Calls of which the server did not say the tokens.")
    saved_tokens: int = Field(description="That answers from the cache would have cost.")
    saved_cost: Decimal | None

    @classmethod
    def of(cls, spent: Spent) -> Self:
        return cls(**_figures(spent))

    @classmethod
    def unless_none(cls, spent: Spent) -> Self | None:
        """None where nothing was asked."""
        return cls.of(spent) if spent.calls else None


class UsageRow(UsageView):
    """What was spent in one day, or on one model."""

    day: date | None = Field(description="In UTC; null where the rows are models.")
    model: str | None = Field(description="Null where the rows are days.")


class UsageQuery(BaseModel):
    """Which days, and by what they are told apart."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    first: Annotated[
        date | None, Field(alias="from", description="The first day, in UTC; a month with today unless given.")
    ] = None
    last: Annotated[date | None, Field(alias="to", description="The last day; today unless given.")] = None
    by: Groups = Field(default="day", description="A row for each day, or for each model.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first is not None and self.last is not None:
            if self.first > self.last:
                raise ValueError("from must not be after to")
            if (self.last - self.first).days >= MAX_DAYS:
                raise ValueError(f"ask for {MAX_DAYS} days at most")
        return self


class BudgetView(BaseModel):
    """What may be spent on language models in each day or month."""

    period: Period
    limit: Decimal
    used: Decimal = Field(description="In this period; what calls that run may cost at most included.")
    renewed_at: datetime

    @classmethod
    def of(cls, state: BudgetState, now: datetime) -> Self:
        period = state.budget.period
        limit, used = state.budget.limit_micros * MICRO, state.used_micros * MICRO
        return cls(period=period, limit=limit, used=used, renewed_at=period.renewed_at(now))


class UsageReport(BaseModel):
    """What a tenant spent on language models."""

    first: date = Field(serialization_alias="from", validation_alias="from")
    last: date = Field(serialization_alias="to", validation_alias="to")
    rows: list[UsageRow] = Field(description="Days or models on which something was spent, in order.")
    total: UsageView
    budgets: list[BudgetView] = Field(description="Of the tenant, as they are now.")

    @classmethod
    def of(cls, first: date, last: date, by: Groups, days: Iterable[DayOfUsage], budgets: list[BudgetView]) -> Self:
        known = list(days)
        rows = _by_day(known) if by == "day" else _by_model(known)
        spent = UsageView.of(total(each.spent for each in known))
        given = {"from": first, "to": last, "rows": rows, "total": spent, "budgets": budgets}
        return cls.model_validate(given)


def _by_day(days: list[DayOfUsage]) -> list[UsageRow]:
    sums = _sums(days, lambda each: each.day)
    return [UsageRow(day=day, model=None, **_figures(spent)) for day, spent in sums]


def _by_model(days: list[DayOfUsage]) -> list[UsageRow]:
    sums = _sums(days, lambda each: each.model)
    return [UsageRow(day=None, model=model, **_figures(spent)) for model, spent in sums]


def _sums(days: list[DayOfUsage], key_of: Callable[[DayOfUsage], K]) -> list[tuple[K, Spent]]:
    keys = sorted({key_of(each) for each in days})
    return [(key, total(each.spent for each in days if key_of(each) == key)) for key in keys]


def _figures(spent: Spent) -> dict[str, Any]:
    return {
        "calls": spent.calls,
        "cached_calls": spent.cached_calls,
        "input_tokens": spent.input_tokens,
        "output_tokens": spent.output_tokens,
        "cost": _money(spent, spent.micros),
        "currency": spent.currency,
        "unpriced_calls": spent.unpriced_calls,
        "estimated_calls": spent.estimated_calls,
        "saved_tokens": spent.saved_tokens,
        "saved_cost": _money(spent, spent.saved_micros),
    }


def _money(spent: Spent, micros: int) -> Decimal | None:
    """An amount of the currency.

    >>> _money(Spent(currency="USD"), 1_250_000)
    Decimal('1.250000')
    """
    return None if spent.currency is None else micros * MICRO
