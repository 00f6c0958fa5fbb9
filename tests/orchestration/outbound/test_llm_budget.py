"""What is taken from budgets for a call, and what comes back, over the records in memory."""

from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

import pytest

from orchestration.outbound.llm_budget import BudgetedEndpoint
from orchestration.outbound.llm_exchange import Ask, Exchange
from orchestration.outbound.prices import Price, Prices
from pipeline.budgets import EVERYBODY, Limits, Period
from pipeline.errors import RecordsUnavailable
from pipeline.ids import Hold, StageKey
from pipeline.memory import MemoryRecords
from pipeline.spending import Caller
from stages.contract import Completion, Message, Postponed, Scope, StageError, Transient
from stages.contract.nouns import Usage
from tests.support.bench import Watched
from tests.support.tools import ManualClock

PRICES = Prices(models={"m": Price(input=Decimal(1), output=Decimal(1))})
ASK = Ask(Caller("acme", Hold(StageKey("0198", 1, "summarize"), 1)), "m", (Message("user", "x" * 329),), max_tokens=100)
"""Takes 200 at most: 100 to ask, and 100 to answer."""
A_DAY_S = 86_400


@dataclass
class Till:
    """An endpoint behind budgets, on a clock that is moved by hand."""

    outcome: StageError | None = None
    clock: ManualClock = field(default_factory=ManualClock)
    endpoint: str = "llm.test:443"
    model: str = "m"
    max_input_tokens: int = 1000
    asked: int = 0

    def __post_init__(self) -> None:
        self.records = Watched(MemoryRecords(self.clock))

    def exchange(self, _ask: Ask, _scope: Scope) -> Exchange:
        self.asked += 1
        if self.outcome is not None:
            raise self.outcome
        return Exchange(Completion("Short.", "m"), Usage(input_tokens=30, output_tokens=10))

    def ask(self, limits: Limits, prices: Prices = PRICES) -> Exchange:
        budgeted = BudgetedEndpoint(self, self.records, prices, limits, self.clock, Random(3))  # type: ignore[arg-type]
        return budgeted.exchange(ASK, Scope(self.clock, 60.0))

    def used(self, scope: str = "acme", period: Period = Period.DAY) -> int:
        return next(
            state.used_micros
            for state in self.records.used(Limits(9, 9, 9, 9).budgets_of("acme", {}), self.clock.now())
            if (state.budget.scope, state.budget.period) == (scope, period)
        )


@pytest.fixture
def till() -> Till:
    return Till()


def test_the_estimate_is_what_the_tests_count_with() -> None:
    assert ASK.input_tokens == 100


def test_what_was_not_needed_comes_back(till: Till) -> None:
    till.ask(Limits(1000, 1000, 1000, 1000))
    assert [till.used(scope, period) for scope in ("acme", EVERYBODY) for period in Period] == [40] * 4


def test_a_call_that_might_exceed_a_budget_is_not_made_and_waits_for_the_next_period(till: Till) -> None:
    limits = Limits(tenant_by_day=239)
    till.ask(limits)
    with pytest.raises(Postponed) as caught:
        till.ask(limits)
    assert (caught.value.code, till.asked) == ("budget_exhausted", 1)
    until_midnight_s = A_DAY_S - (3 * 3600 + 4 * 60 + 5)
    assert until_midnight_s <= caught.value.delay_s <= until_midnight_s + 60
    till.clock.advance(caught.value.delay_s)
    till.ask(limits)


def test_a_budget_of_its_own_goes_before_the_usual_one(till: Till) -> None:
    till.records.set_limit("acme", Period.DAY, 10_000)
    till.ask(Limits(tenant_by_day=1))
    till.records.set_limit("acme", Period.DAY, 1)
    with pytest.raises(Postponed):
        till.ask(Limits(tenant_by_day=10_000))


@pytest.mark.parametrize(
    ("code", "kept"),
    [("llm_unavailable", 0), ("llm_rejected", 0), ("dependency_unavailable", 0), ("llm_timeout", 200)],
)
def test_what_may_have_been_charged_stays_taken(till: Till, code: str, kept: int) -> None:
    till.outcome = Transient(code)
    with pytest.raises(Transient):
        till.ask(Limits(tenant_by_day=1000))
    assert till.used() == kept


def test_models_without_a_price_fall_under_no_budget(till: Till) -> None:
    till.ask(Limits(0, 0, 0, 0), Prices())
    assert till.asked == 1


def test_an_answer_is_not_lost_where_what_is_left_cannot_be_given_back(till: Till) -> None:
    till.records.broken["give_back"] = RecordsUnavailable("locked")
    assert till.ask(Limits(tenant_by_day=1000)).completion().text == "Short."
    assert till.used() == 200
