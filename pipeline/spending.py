"""What asking language models costs: tokens, and money in millionths of the currency. Money is never a float."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from pipeline.ids import Hold


@dataclass(frozen=True, slots=True)
class Spent:
    """A sum of calls. Calls answered from the cache cost nothing, and say what they would have cost."""

    calls: int = 0
    """Answers had, those from the cache included."""
    cached_calls: int = 0
    unpriced_calls: int = 0
    """Those of models without a price; they count for nothing in money."""
    estimated_calls: int = 0
    """Those of which the server did not say the tokens."""
    input_tokens: int = 0
    output_tokens: int = 0
    micros: int = 0
    """Millionths of the currency."""
    saved_tokens: int = 0
    saved_micros: int = 0
    currency: str | None = None
    """Of the price table, when the latest of the calls was made; None where none had a price."""

    def __add__(self, other: "Spent") -> "Spent":
        """Both together.

        >>> (Spent(1, input_tokens=9, micros=4, currency="USD") + Spent(1, input_tokens=1)).input_tokens
        10
        """
        sums = {name: getattr(self, name) + getattr(other, name) for name in COUNTS}
        return Spent(**sums, currency=other.currency or self.currency)


COUNTS = tuple(name for name in Spent.__dataclass_fields__ if name != "currency")
"""The fields of `Spent` that are added up."""
NOTHING = Spent()


def total(parts: Iterable[Spent]) -> Spent:
    """All of them together."""
    return sum(parts, NOTHING)


@dataclass(frozen=True, slots=True)
class Spending:
    """What one attempt spent, for the record."""

    tenant_id: str
    by_model: Mapping[str, Spent]
    answers: tuple[str, ...] = ()
    """Digests of the answers it had."""
    accepts: bool | None = None
    """Whether they were of use; None where nobody knows yet."""


@dataclass(slots=True)
class Meter:
    """Adds up what one attempt spends."""

    by_model: dict[str, Spent] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)
    """Digests of those that are kept."""

    def add(self, model: str, spent: Spent) -> None:
        """Count a call, as soon as it is answered."""
        self.by_model[model] = self.by_model.get(model, NOTHING) + spent


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a language model is asked, and where it is counted."""

    tenant_id: str
    hold: Hold
    meter: Meter = field(default_factory=Meter, compare=False)

    def spending(self, *, accepts: bool | None) -> Spending | None:
        """What was spent so far; None for nothing. `accepts` says whether the answers were of use."""
        if not self.meter.by_model:
            return None
        return Spending(self.tenant_id, dict(self.meter.by_model), tuple(self.meter.answers), accepts)


@dataclass(frozen=True, slots=True)
class DayOfUsage:
    """What a tenant spent on one model in one day (UTC) on which attempts ended."""

    day: date
    model: str
    spent: Spent


class SpendingRecords(Protocol):
    """What the records know of spending, beside what they keep with each attempt."""

    def spend(self, hold: Hold, spending: Spending, at: datetime) -> None:
        """Record what an attempt spent whose outcome nobody records; that of others is recorded with the outcome.

        An attempt is counted once, however often this is asked, and whether or not its hold is still valid.
        """

    def usage(self, tenant_id: str, first: date, last: date) -> Sequence[DayOfUsage]:
        """What a tenant spent on these days and those between, by day and model. Purging a job changes nothing."""
