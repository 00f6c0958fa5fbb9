"""What callers are promised by breakers, wherever their states are kept."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from threading import Barrier, Event
from typing import Any

import pytest

from orchestration.outbound.breakers import TRIAL_DELAY_S, CircuitBreakers
from orchestration.outbound.breakers_local import LocalStates
from orchestration.outbound.breakers_shared import SharedStates
from orchestration.outbound.breakers_states import BreakerStates, Standing
from orchestration.transport.urls import read_url
from stages.contract import Awaited, Cancelled, Permanent, Postponed, Transient
from tests.support.brokers import KINDS, Broker
from tests.support.tools import ManualClock

NAME = "origin:example.org:443"
DOWN = Transient("connect_failed")
WAITS = Awaited("page_awaited", delay_s=1.0)


@dataclass
class Bench:
    """Breakers with an hour hand: `advance` makes time pass where the states are kept."""

    states: BreakerStates
    advance: Callable[[float], None]
    options: dict[str, Any] = field(default_factory=lambda: {"fail_max": 3, "reset_timeout_s": 40.0})

    def __post_init__(self) -> None:
        self.breakers = CircuitBreakers(self.states, Random(7), **self.options)

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


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Broker]]:
    """Servers by their kind, each started by the first test that wants it."""
    running: dict[str, Broker] = {}
    yield running
    for server in running.values():
        server.kill()


@pytest.fixture(params=["local", *KINDS])
def bench(request: pytest.FixtureRequest, servers: dict[str, Broker]) -> Iterator[Bench]:
    if request.param == "local":
        clock = ManualClock()
        yield Bench(LocalStates(clock), clock.advance)
        return
    if request.param not in servers:
        folder = Path(request.getfixturevalue("folder_of_servers")) / request.param
        folder.mkdir()
        servers[request.param] = Broker(KINDS[request.param].binary(), folder, appendonly="no").start()
    server = servers[request.param]
    server.run("FLUSHALL")
    yield Bench(SharedStates(read_url(server.url), timeout_s=10), lambda seconds: age(server, seconds))


@pytest.fixture(scope="module")
def folder_of_servers() -> Iterator[str]:
    # Not pytest's folder: the path of a Unix socket may have about a hundred bytes.
    with TemporaryDirectory(prefix="breakers-") as folder:
        yield folder


def age(server: Broker, seconds: float) -> None:
    """Take time from what every key has left; one without an end fails the test."""
    with server.client() as client:
        for key in client.scan_iter("*"):
            left_ms = client.pttl(key)
            assert left_ms > 0, f"{key} never expires"
            client.pexpire(key, max(left_ms - round(seconds * 1000), 0))


# closed


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
    "error", [Cancelled(), WAITS, RuntimeError("a defect"), KeyboardInterrupt(), SystemExit(), GeneratorExit()]
)
def test_what_says_nothing_of_the_dependency_counts_as_neither(bench: Bench, error: BaseException) -> None:
    bench.fail(5, error)
    bench.fail(2)
    bench.fail(1, error)
    bench.fail(1)
    bench.refusal()


def test_dependencies_are_apart(bench: Bench) -> None:
    bench.fail(3)
    bench.call(name="another")


def test_calls_run_side_by_side(bench: Bench) -> None:
    together = Barrier(4, timeout=10)

    def call() -> None:
        with bench.breakers.guard(NAME):
            together.wait()

    with ThreadPoolExecutor(4) as threads:
        for running in [threads.submit(call) for _ in range(4)]:
            running.result()


# open


def test_the_delay_is_what_remains_plus_a_spread(bench: Bench) -> None:
    bench.fail(3)
    bench.advance(10)
    delays = [bench.refusal().delay_s for _ in range(200)]
    assert min(delays) > 25
    assert max(delays) <= 40
    assert max(delays) - min(delays) > 8


def test_where_it_is_open_for_longer_than_usual_those_who_wait_ask_in_between(bench: Bench) -> None:
    bench.states.open(NAME, 600.0)
    assert max(bench.refusal().delay_s for _ in range(50)) <= 50
    bench.advance(590)
    assert min(bench.refusal().delay_s for _ in range(50)) <= 20


def test_a_success_of_a_call_that_began_before_it_opened_does_not_close_it(bench: Bench) -> None:
    with bench.breakers.guard(NAME):
        bench.fail(3)
    bench.refusal()


def test_a_failure_of_a_call_that_began_before_it_opened_does_not_prolong_it(bench: Bench) -> None:
    def slow() -> None:
        with bench.breakers.guard(NAME):
            bench.fail(3)
            bench.advance(30)
            raise DOWN

    with pytest.raises(Transient):
        slow()
    bench.advance(11)
    bench.call()


def test_of_many_that_fail_at_once_those_after_the_last_straw_change_nothing(bench: Bench) -> None:
    together = Barrier(8, timeout=10)

    def call() -> None:
        with suppress(Transient), bench.breakers.guard(NAME):
            together.wait()
            raise DOWN

    with ThreadPoolExecutor(8) as threads:
        for running in [threads.submit(call) for _ in range(8)]:
            running.result()
    bench.refusal()
    bench.advance(41)
    bench.call()
    bench.fail(2)
    bench.call()


# after the pause


def test_after_the_pause_one_success_closes_it(bench: Bench) -> None:
    bench.fail(3)
    bench.advance(20)
    bench.refusal()
    bench.advance(21)
    bench.call()
    bench.fail(2)
    bench.call()


def test_after_the_pause_one_failure_opens_it_again_for_as_long(bench: Bench) -> None:
    bench.fail(3)
    bench.advance(41)
    bench.fail(1)
    bench.advance(20)
    bench.refusal()
    bench.advance(21)
    bench.call()


@pytest.mark.parametrize("error", [Cancelled(), WAITS, KeyboardInterrupt(), ValueError()])
def test_a_trial_that_says_nothing_leaves_the_next_call_to_try(bench: Bench, error: BaseException) -> None:
    bench.fail(3)
    bench.advance(41)
    bench.fail(1, error)
    bench.fail(1)
    bench.refusal()


def test_only_one_call_tries_at_a_time(bench: Bench) -> None:
    bench.fail(3)
    bench.advance(41)
    with bench.breakers.guard(NAME):
        assert TRIAL_DELAY_S / 2 <= bench.refusal().delay_s <= TRIAL_DELAY_S
    bench.call()


def test_of_many_threads_one_tries_and_the_rest_wait(bench: Bench) -> None:
    bench.fail(3)
    bench.advance(41)
    together, release = Barrier(8, timeout=10), Event()

    def call() -> str:
        together.wait()
        try:
            with bench.breakers.guard(NAME):
                release.wait(10)
                return "tried"
        except Postponed:
            return "waits"

    with ThreadPoolExecutor(8) as threads:
        calls = [threads.submit(call) for _ in range(8)]
        first = list(islice(as_completed(calls, timeout=10), 7))
        release.set()
        assert {call.result() for call in first} == {"waits"}
        assert sorted(running.result() for running in calls) == ["tried"] + ["waits"] * 7


LATE: dict[str, Callable[[BreakerStates], None]] = {
    "it succeeded": lambda states: states.close(NAME, "late"),
    "it failed": lambda states: states.reopen(NAME, "late", 40),
    "it showed nothing": lambda states: states.release(NAME, "late"),
    "it still runs": lambda states: states.renew(NAME, "late", 10),
}


@pytest.mark.parametrize("says", LATE.values(), ids=LATE)
def test_what_a_trial_says_after_its_lease_changes_nothing(bench: Bench, says: Callable[[BreakerStates], None]) -> None:
    bench.fail(3)
    bench.advance(41)
    assert bench.states.admit(NAME, "late", lease_s=10).standing is Standing.TRIAL
    bench.advance(9)
    bench.refusal()
    bench.advance(2)
    says(bench.states)
    with bench.breakers.guard(NAME):
        says(bench.states)
        assert bench.refusal().delay_s <= TRIAL_DELAY_S
    bench.fail(2)
    bench.call()


def test_a_trial_that_is_renewed_outlives_its_lease(bench: Bench) -> None:
    bench.fail(3)
    bench.advance(41)
    bench.states.admit(NAME, "slow", lease_s=10)
    for _ in range(3):
        bench.advance(9)
        bench.states.renew(NAME, "slow", lease_s=10)
    bench.refusal()
    bench.states.close(NAME, "slow")
    bench.call()
