"""When a language model is asked, by what was set here and by what the server says."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from orchestration.outbound.fallback import AWAY_S
from orchestration.outbound.llm_exchange import Ask, Exchange
from orchestration.outbound.llm_pace import PacedEndpoint
from orchestration.outbound.pace import Pace
from orchestration.outbound.pace_fallback import FallbackPace
from orchestration.outbound.pace_local import LocalPace
from pipeline.ids import Hold, StageKey
from pipeline.spending import Caller
from stages.contract import Completion, Message, Postponed, Scope, StageError, Transient
from stages.contract.nouns import Usage
from tests.support.bench import Watched
from tests.support.tools import ManualClock


@dataclass
class Line:
    """An endpoint behind limits, on a clock that is moved by hand."""

    pace: Pace = field(default_factory=Pace)
    headers: Mapping[str, str] = field(default_factory=dict)
    outcome: StageError | None = None
    clock: ManualClock = field(default_factory=ManualClock)
    endpoint: str = "llm.test:443"
    model: str = "m"
    max_input_tokens: int = 1000
    asked: int = 0

    def __post_init__(self) -> None:
        self.states = LocalPace(self.clock)

    def exchange(self, _ask: Ask, _scope: Scope) -> Exchange:
        self.asked += 1
        if self.outcome is not None:
            raise self.outcome
        return Exchange(Completion("Short.", "m"), Usage(input_tokens=50, output_tokens=50), headers=self.headers)

    def ask(self, job: str = "0198") -> float:
        """How long to wait; 0 where it was asked, negative where the server said so."""
        caller = Caller("default", Hold(StageKey(job, 1, "summarize"), 1))
        ask = Ask(caller, "m", (Message("user", "x" * 329),), max_tokens=500)
        try:
            PacedEndpoint(self, self.states, self.pace).exchange(ask, Scope(self.clock, 1e9))
        except Postponed as error:
            return error.delay_s if error.code == "llm_throttled" else -error.delay_s
        return 0.0


def test_calls_are_postponed_not_slept_through() -> None:
    line = Line(Pace(calls=6))
    assert [line.ask(f"job-{number}") for number in range(4)] == [0, 0, 10, 20]
    line.clock.advance(10)
    assert line.ask("job-2") == 0
    assert line.asked == 3


def test_tokens_that_were_not_used_make_room() -> None:
    line = Line(Pace(tokens=600))
    assert [line.ask(f"job-{number}") for number in range(3)] == [0, 0, 10]


def test_what_a_server_wants_is_for_all_callers() -> None:
    line = Line(outcome=Postponed("llm_rate_limited", delay_s=40))
    assert line.ask("first") == -40
    line.outcome = None
    assert line.ask("second") == 40
    assert line.asked == 1
    line.clock.advance(40)
    assert line.ask("second") == 0


@pytest.mark.parametrize("what", ["requests", "tokens"])
def test_who_is_told_that_nothing_is_left_waits(what: str) -> None:
    line = Line(headers={f"x-ratelimit-remaining-{what}": "0", f"x-ratelimit-reset-{what}": "12s"})
    assert line.ask("first") == 0
    assert line.ask("second") == 12


def test_a_call_that_failed_took_no_tokens() -> None:
    line = Line(Pace(tokens=600), outcome=Transient("llm_unavailable"))
    for number in range(5):
        with pytest.raises(Transient):
            line.ask(f"job-{number}")


def test_while_redis_is_away_each_process_keeps_to_the_limit_by_itself() -> None:
    clock = ManualClock()
    shared = Watched(LocalPace(clock))
    states = FallbackPace(shared, LocalPace(clock), clock)  # type: ignore[arg-type]
    assert states.admit("m", "a", 30.0, 0.0) == 0
    shared.broken["admit"] = ConnectionError("gone")
    assert states.admit("m", "b", 30.0, 0.0) == 0
    assert states.admit("m", "c", 30.0, 0.0) == 20
    assert shared.log.count("admit") == 2
    del shared.broken["admit"]
    clock.advance(AWAY_S)
    assert states.admit("m", "d", 30.0, 0.0) == 15
