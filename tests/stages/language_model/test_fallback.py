"""What a job does while the language model is out of reach."""

from dataclasses import dataclass
from typing import Any

import pytest

from stages.analyze import analyze
from stages.contract import Article, Options, Permanent, Postponed, StageError, Transient
from stages.contract.tools import Turn
from stages.summarize import summarize
from tests.support.llm import FakeLlm
from tests.support.tools import ManualClock, make_tools

TEXT = "Owls are back at the mill. They nest above the wheel. The miller counted nine of them in May."
ARTICLE = Article(text=TEXT, markdown=TEXT, title="Owls", language="en", word_count=19)
OVER_BUDGET = Postponed("budget_exhausted", delay_s=9000)
BREAKER_OPEN = Postponed("dependency_unavailable", delay_s=20)
DOWN = Transient("llm_unavailable")
DENIED = Permanent("llm_denied")


def run(error: Exception, fallback: str, turn: Turn = Turn(), stage: Any = summarize, **options: Any) -> Any:  # noqa: B008
    wish = Options.model_validate({"fallback": fallback, **options})
    return stage.run(ARTICLE, make_tools(llm=FakeLlm(error), options=wish, turn=turn))


@pytest.mark.parametrize("stage", [summarize, analyze])
@pytest.mark.parametrize("error", [OVER_BUDGET, BREAKER_OPEN, DENIED, Postponed("llm_throttled", delay_s=61)])
def test_one_that_goes_without_says_so_and_why(stage: Any, error: StageError) -> None:
    result = run(error, "extractive", stage=stage)
    assert (result.method, result.fallback_reason) == ("extractive", error.code)


@pytest.mark.parametrize("error", [OVER_BUDGET, BREAKER_OPEN, DENIED, DOWN])
@pytest.mark.parametrize("turn", [Turn(), Turn(is_last=True, parked_s=800)])
def test_one_that_waits_leaves_every_error_as_it_is(error: StageError, turn: Turn) -> None:
    with pytest.raises(type(error)) as caught:
        run(error, "wait", turn)
    assert caught.value is error


@pytest.mark.parametrize("error", [OVER_BUDGET, BREAKER_OPEN, DENIED])
def test_one_that_fails_does_so_at_once_with_the_code(error: StageError) -> None:
    with pytest.raises(Permanent) as caught:
        run(error, "fail")
    assert caught.value.code == error.code


@pytest.mark.parametrize("fallback", ["extractive", "fail"])
def test_what_may_pass_is_tried_again_first(fallback: str) -> None:
    with pytest.raises(Transient) as caught:
        run(DOWN, fallback)
    assert caught.value is DOWN
    with pytest.raises(Postponed):
        run(Postponed("llm_rate_limited", delay_s=30), fallback, Turn(parked_s=20))


def test_after_the_last_attempt_and_a_long_wait_there_is_the_extract() -> None:
    assert run(DOWN, "extractive", Turn(is_last=True)).fallback_reason == "llm_unavailable"
    limited = Postponed("llm_rate_limited", delay_s=30)
    assert run(limited, "extractive", Turn(parked_s=40)).fallback_reason == "llm_rate_limited"


def test_an_answer_that_is_no_good_is_no_reason_to_go_without() -> None:
    with pytest.raises(Transient, match="llm_bad_answer"):
        run(Transient("llm_bad_answer"), "extractive", Turn(is_last=True))


def test_what_only_a_model_can_do_is_not_done_without() -> None:
    with pytest.raises(Postponed):
        run(OVER_BUDGET, "extractive", prompt="Only the birds.")


def test_without_a_model_nothing_fell_back() -> None:
    summary = summarize.run(ARTICLE, make_tools(options=Options(fallback="extractive")))
    assert (summary.method, summary.fallback_reason) == ("extractive", None)


@dataclass
class SlowLlm(FakeLlm):
    """Does not answer within the time that it is given."""

    def complete(self, messages: Any, scope: Any, **named: Any) -> Any:
        scope.clock.advance(scope.remaining_s())
        raise Transient("llm_timeout")


def test_there_is_time_left_to_go_without_a_model_that_took_too_long() -> None:
    clock = ManualClock()
    wish = Options(fallback="extractive")
    tools = make_tools(clock=clock, llm=SlowLlm("never"), options=wish, turn=Turn(is_last=True))
    assert summarize.run(ARTICLE, tools).fallback_reason == "llm_timeout"
    tools.scope.check()
