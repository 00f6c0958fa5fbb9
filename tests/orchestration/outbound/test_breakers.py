from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from random import Random
from threading import Barrier, Event

import pytest

from orchestration.outbound.breakers import PROBE_DELAY_S, LocalBreakers
from stages.contract import Cancelled, Permanent, Postponed, Transient
from tests.support.tools import ManualClock

NAME = "origin:example.org:443"
DOWN = Transient("connect_failed")


class Bench:
    """Breakers on a clock that is moved by hand."""

    def __init__(self, **options: float) -> None:
        self.clock = ManualClock()
        defaults = {"fail_max": 3, "reset_timeout_s": 40.0}
        self.breakers = LocalBreakers(self.clock, Random(7), **{**defaults, **options})  # type: ignore[arg-type]

    def call(self, error: BaseException | None = None, name: str = NAME) -> None:
        with self.breakers.guard(name):
            if error is not None:
                raise error

    def fail(self, times: int, error: BaseException = DOWN) -> None:
        for _ in range(times):
            with pytest.raises(type(error)) as caught:
                self.call(error)
            assert caught.value is error

    def refusal(self, name: str = NAME) -> Postponed:
        with pytest.raises(Postponed, match="dependency_unavailable") as caught:
            self.call(name=name)
        return caught.value


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_it_opens_after_failures_in_a_row_and_the_last_error_comes_through(bench: Bench) -> None:
    bench.fail(3)
    bench.refusal()


def test_a_success_in_between_starts_the_count_again(bench: Bench) -> None:
    bench.fail(2)
    bench.call()
    bench.fail(2)
    bench.call()


def test_an_answer_that_does_not_blame_the_dependency_is_a_sign_of_life(bench: Bench) -> None:
    bench.fail(2)
    bench.fail(1, Permanent("http_not_found"))
    bench.fail(2)
    bench.call()


@pytest.mark.parametrize(
    "error", [Cancelled(), RuntimeError("a defect"), KeyboardInterrupt(), SystemExit(), GeneratorExit()]
)
def test_what_says_nothing_of_the_dependency_counts_as_neither(bench: Bench, error: BaseException) -> None:
    bench.fail(5, error)
    bench.fail(2)
    bench.fail(1, error)
    bench.fail(1)
    bench.refusal()


def test_the_delay_is_what_remains_plus_a_spread(bench: Bench) -> None:
    bench.fail(3)
    bench.clock.advance(15)
    delays = [bench.refusal().delay_s for _ in range(200)]
    assert min(delays) >= 25
    assert max(delays) <= 35
    assert max(delays) - min(delays) > 8


def test_after_the_pause_one_success_closes_it(bench: Bench) -> None:
    bench.fail(3)
    bench.clock.advance(39.9)
    bench.refusal()
    bench.clock.advance(0.2)
    bench.call()
    bench.fail(2)
    bench.call()


def test_after_the_pause_one_failure_opens_it_again_for_as_long(bench: Bench) -> None:
    bench.fail(3)
    bench.clock.advance(41)
    bench.fail(1)
    bench.clock.advance(39)
    bench.refusal()
    bench.clock.advance(2)
    bench.call()


@pytest.mark.parametrize("error", [Cancelled(), KeyboardInterrupt(), ValueError()])
def test_a_probe_that_says_nothing_leaves_the_next_call_to_probe(bench: Bench, error: BaseException) -> None:
    bench.fail(3)
    bench.clock.advance(41)
    bench.fail(1, error)
    bench.fail(1)
    bench.refusal()


def test_only_one_call_probes_at_a_time(bench: Bench) -> None:
    bench.fail(3)
    bench.clock.advance(41)
    with bench.breakers.guard(NAME):
        assert PROBE_DELAY_S / 2 <= bench.refusal().delay_s <= PROBE_DELAY_S
    bench.call()


def test_a_success_of_a_call_that_began_before_it_opened_does_not_close_it(bench: Bench) -> None:
    with bench.breakers.guard(NAME):
        bench.fail(3)
    bench.refusal()


def test_a_failure_of_a_call_that_began_before_it_opened_does_not_prolong_it(bench: Bench) -> None:
    def slow() -> None:
        with bench.breakers.guard(NAME):
            bench.fail(3)
            bench.clock.advance(30)
            raise DOWN

    with pytest.raises(Transient):
        slow()
    bench.clock.advance(11)
    bench.call()


def test_dependencies_are_apart(bench: Bench) -> None:
    bench.fail(3)
    bench.call(name="another")


def test_the_registry_is_bounded_and_forgets_what_was_unused_for_longest() -> None:
    bench = Bench(max_breakers=2, fail_max=1)
    bench.fail(1)
    bench.call(name="b")
    bench.refusal()
    bench.call(name="c")
    bench.refusal()
    bench.call(name="b")
    bench.call(name="c")
    bench.call()


def test_calls_run_side_by_side(bench: Bench) -> None:
    together = Barrier(4, timeout=10)

    def call() -> None:
        with bench.breakers.guard(NAME):
            together.wait()

    with ThreadPoolExecutor(4) as threads:
        for running in [threads.submit(call) for _ in range(4)]:
            running.result()


def test_of_many_threads_one_probes_and_the_rest_wait(bench: Bench) -> None:
    bench.fail(3)
    bench.clock.advance(41)
    together, release = Barrier(8, timeout=10), Event()

    def call() -> str:
        together.wait()
        try:
            with bench.breakers.guard(NAME):
                release.wait(10)
                return "probed"
        except Postponed:
            return "waits"

    with ThreadPoolExecutor(8) as threads:
        calls = [threads.submit(call) for _ in range(8)]
        first = list(islice(as_completed(calls, timeout=10), 7))
        release.set()
        assert {call.result() for call in first} == {"waits"}
        assert sorted(running.result() for running in calls) == ["probed"] + ["waits"] * 7
