"""Answers from the cache, over the records in memory and an endpoint that counts."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from orchestration.outbound.llm_cache import CachedEndpoint, digest_of
from orchestration.outbound.llm_desk import LlmDesk
from orchestration.outbound.llm_exchange import Ask, Exchange
from orchestration.outbound.prices import Price, Prices
from pipeline.errors import RecordsUnavailable
from pipeline.memory import MemoryRecords
from pipeline.spending import Caller, Meter, Spent
from stages.contract import Completion, Message, Scope, Transient
from stages.contract.nouns import Usage
from tests.support.bench import Watched
from tests.support.jobs import World
from tests.support.tools import ManualClock

MESSAGES = (Message("system", "Be brief."), Message("user", "A long text."))
PRICES = Prices(models={"m": Price.model_validate({"input": "2", "output": "8"})})
PAID = Spent(1, input_tokens=10, output_tokens=5, micros=60, currency="USD")


@dataclass
class CountingEndpoint:
    """Answers at once."""

    outcome: Any = field(default_factory=lambda: Completion("Short.", "m-1"))
    endpoint: str = "llm.test:443"
    model: str = "m"
    max_input_tokens: int = 1000
    asked: list[Ask] = field(default_factory=list)

    def exchange(self, ask: Ask, scope: Scope) -> Exchange:
        scope.check()
        self.asked.append(ask)
        return Exchange(self.outcome, Usage(input_tokens=10, output_tokens=5))


@dataclass
class Desk:
    """A cache on a clock that is moved by hand."""

    clock: ManualClock = field(default_factory=ManualClock)
    inner: CountingEndpoint = field(default_factory=CountingEndpoint)

    def __post_init__(self) -> None:
        self.records = Watched(MemoryRecords(self.clock))
        self.world = World(self.records, self.clock.advance)  # type: ignore[arg-type]
        self.desk = LlmDesk(CachedEndpoint(self.inner, self.records, self.clock, max_age_s=100), PRICES)  # type: ignore[arg-type]

    def caller(self, **job: Any) -> Caller:
        accepted = self.world.accept(**job)
        return Caller(accepted.tenant_id, self.world.hold(accepted))

    def ask(self, by: Caller) -> tuple[Completion, Spent]:
        """The answer to one attempt, and what the attempt has spent."""
        scope = Scope(self.clock, self.clock.monotonic() + 60)
        completion = self.desk.on_behalf_of(by).complete(MESSAGES, scope, max_tokens=50)
        return completion, by.meter.by_model["m"]

    def end(self, by: Caller, *, accepts: bool | None) -> None:
        spending = by.spending(accepts=accepts)
        assert spending is not None
        self.records.spend(by.hold, spending, self.clock.now())


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_what_was_asked_before_costs_nothing_and_says_what_it_saved(desk: Desk) -> None:
    first = desk.caller()
    assert desk.ask(first) == (Completion("Short.", "m-1", Usage(input_tokens=10, output_tokens=5)), PAID)
    desk.end(first, accepts=True)
    completion, spent = desk.ask(desk.caller())
    assert completion.usage == Usage(input_tokens=0, output_tokens=0, cached=True, saved_tokens=15)
    assert spent == Spent(1, cached_calls=1, saved_tokens=15, saved_micros=60, currency="USD")
    assert len(desk.inner.asked) == 1


def test_an_attempt_that_follows_a_killed_one_pays_for_it_and_does_not_ask(desk: Desk) -> None:
    killed = desk.caller()
    desk.ask(killed)
    next_one = Caller(killed.tenant_id, replace(killed.hold, epoch=2), Meter())
    completion, spent = desk.ask(next_one)
    assert (completion.text, spent, len(desk.inner.asked)) == ("Short.", PAID, 1)
    desk.end(next_one, accepts=None)
    assert desk.ask(Caller(killed.tenant_id, replace(killed.hold, epoch=3), Meter()))[1].cached_calls == 1


def test_an_answer_the_stage_had_no_use_for_is_asked_again(desk: Desk) -> None:
    first = desk.caller()
    desk.ask(first)
    desk.end(first, accepts=False)
    desk.ask(Caller(first.tenant_id, replace(first.hold, epoch=2), Meter()))
    assert len(desk.inner.asked) == 2


def test_what_is_no_answer_is_not_kept(desk: Desk) -> None:
    desk.inner.outcome = Transient("llm_bad_answer")
    by = desk.caller()
    for _ in range(2):
        with pytest.raises(Transient):
            desk.ask(by)
    assert len(desk.inner.asked) == 2
    assert by.meter.by_model["m"].micros == 120
    assert by.meter.answers == []


def test_an_answer_grows_too_old(desk: Desk) -> None:
    first = desk.caller()
    desk.ask(first)
    desk.end(first, accepts=True)
    desk.clock.advance(101)
    desk.ask(desk.caller())
    assert len(desk.inner.asked) == 2


def test_an_answer_that_cannot_be_kept_is_used_all_the_same(desk: Desk) -> None:
    desk.records.broken["keep_answer"] = RecordsUnavailable("locked")
    assert desk.ask(desk.caller())[0].text == "Short."


@pytest.mark.parametrize(
    "other",
    [
        lambda ask: replace(ask, model="n"),
        lambda ask: replace(ask, max_tokens=51),
        lambda ask: replace(ask, messages=(Message("user", "Be brief."), MESSAGES[1])),
        lambda ask: replace(ask, messages=(MESSAGES[0], Message("user", "A long text"))),
    ],
)
def test_a_question_is_the_same_only_to_the_last_letter(other: Callable[[Ask], Ask]) -> None:
    by = Desk().caller()
    ask = Ask(by, "m", MESSAGES, 50)
    assert digest_of(ask, "a:1") == digest_of(replace(ask, caller=Desk().caller()), "a:1")
    assert digest_of(other(ask), "a:1") != digest_of(ask, "a:1") != digest_of(ask, "b:1")
