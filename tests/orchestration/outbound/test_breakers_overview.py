"""What operators see of breakers that workers share, and what they do to them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from orchestration.outbound.breakers import CircuitBreakers
from orchestration.outbound.breakers_overview import Breaker, BreakerDesk, BreakerState
from orchestration.outbound.breakers_shared import KEPT_MS, SharedStates, key_of
from orchestration.outbound.breakers_states import Standing
from orchestration.transport.urls import read_url
from pipeline.errors import BreakerNotFound, BrokerUnavailable
from stages.contract import Postponed, Transient
from tests.support.brokers import KINDS, Broker

NAME = "origin:example.org:443"
PAUSE_S = 40.0
DOWN = Transient("connect_failed")


@pytest.fixture(scope="module")
def server() -> Iterator[Broker]:
    with (
        TemporaryDirectory(prefix="overview-") as folder,
        Broker(KINDS["valkey"].binary(), Path(folder), appendonly="no") as server,
    ):
        yield server


@pytest.fixture
def states(server: Broker) -> SharedStates:
    server.run("FLUSHALL")
    return SharedStates(read_url(server.url), timeout_s=10)


@pytest.fixture
def breakers(states: SharedStates) -> CircuitBreakers:
    return CircuitBreakers(states, Random(7), fail_max=2, reset_timeout_s=PAUSE_S)


@pytest.fixture
def desk(server: Broker) -> BreakerDesk:
    return BreakerDesk(server.url)


def fail(breakers: CircuitBreakers, times: int, name: str = NAME) -> None:
    for _ in range(times):
        with pytest.raises(Transient), breakers.guard(name):
            raise DOWN


def call(breakers: CircuitBreakers, name: str = NAME) -> None:
    with breakers.guard(name):
        pass


def only(desk: BreakerDesk) -> Breaker:
    (breaker,) = desk.breakers()
    return breaker


def end_pause(server: Broker) -> None:
    server.run("PEXPIRE", key_of(NAME, "open"), KEPT_MS)


def is_soon(at: datetime | None, in_s: float = 0.0) -> bool:
    return at is not None and abs(at - datetime.now(UTC) - timedelta(seconds=in_s)) < timedelta(seconds=5)


def test_what_never_failed_is_not_known(desk: BreakerDesk, breakers: CircuitBreakers) -> None:
    call(breakers)
    assert desk.breakers() == []


def test_failures_are_counted_before_it_opens(desk: BreakerDesk, breakers: CircuitBreakers) -> None:
    fail(breakers, 1)
    assert only(desk) == Breaker(NAME, BreakerState.CLOSED, 1)
    call(breakers)
    assert desk.breakers() == []


def test_an_open_one_says_since_when_and_until_when(desk: BreakerDesk, breakers: CircuitBreakers) -> None:
    fail(breakers, 2)
    breaker = only(desk)
    assert (breaker.state, breaker.failures) == (BreakerState.OPEN, 2)
    assert is_soon(breaker.opened_at)
    assert is_soon(breaker.retry_at, PAUSE_S)


def test_after_the_pause_it_is_half_open(desk: BreakerDesk, breakers: CircuitBreakers, server: Broker) -> None:
    fail(breakers, 2)
    opened_at = only(desk).opened_at
    end_pause(server)
    assert only(desk) == Breaker(NAME, BreakerState.HALF_OPEN, 2, opened_at)
    call(breakers)
    assert desk.breakers() == []


def test_one_that_opens_again_is_not_closed_since_the_first_time(
    desk: BreakerDesk, breakers: CircuitBreakers, server: Broker
) -> None:
    fail(breakers, 2)
    server.run("SET", key_of(NAME, "open"), 1_700_000_000_000)
    end_pause(server)
    fail(breakers, 1)
    breaker = only(desk)
    assert breaker.state is BreakerState.OPEN
    assert breaker.opened_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert is_soon(breaker.retry_at, PAUSE_S)


def test_all_are_listed_by_name(desk: BreakerDesk, breakers: CircuitBreakers) -> None:
    names = ["origin:[::1]:80", "llm:host:443", "llm:{odd}:open:1"]
    for name in names:
        fail(breakers, 1, name)
    assert [breaker.dependency for breaker in desk.breakers()] == sorted(names)


def test_one_that_an_operator_opens_keeps_everybody_out_and_then_lets_one_try(
    desk: BreakerDesk, breakers: CircuitBreakers, server: Broker
) -> None:
    breaker = desk.open(NAME, 500)
    assert (breaker.state, breaker.failures) == (BreakerState.OPEN, 0)
    assert is_soon(breaker.retry_at, 500)
    assert only(desk).state is BreakerState.OPEN
    with pytest.raises(Postponed):
        call(breakers)
    end_pause(server)
    call(breakers)
    assert desk.breakers() == []


def test_an_operator_overrules_a_trial_and_an_earlier_pause(
    desk: BreakerDesk, breakers: CircuitBreakers, server: Broker
) -> None:
    fail(breakers, 2)
    end_pause(server)
    with breakers.guard(NAME):
        desk.open(NAME, 500)
        assert is_soon(desk.open(NAME, 600).retry_at, 600)
    assert only(desk).state is BreakerState.OPEN


def test_a_reset_lets_everybody_call_at_once(
    desk: BreakerDesk, breakers: CircuitBreakers, states: SharedStates
) -> None:
    fail(breakers, 2)
    assert desk.reset(NAME) == Breaker(NAME, BreakerState.CLOSED, 0)
    assert desk.breakers() == []
    assert states.admit(NAME, "token", lease_s=10).standing is Standing.CLOSED
    fail(breakers, 1)
    assert only(desk).failures == 1


@pytest.mark.usefixtures("states")
def test_what_is_not_known_cannot_be_reset(desk: BreakerDesk) -> None:
    with pytest.raises(BreakerNotFound, match="origin:example"):
        desk.reset(NAME)


def test_without_redis_nobody_waits_for_long(tmp_path: Path) -> None:
    desk = BreakerDesk(f"redis+socket://{tmp_path}/absent")
    for ask in (desk.breakers, lambda: desk.open(NAME, 1), lambda: desk.reset(NAME)):
        with pytest.raises(BrokerUnavailable):
            ask()


def test_after_a_restart_of_redis_the_first_question_is_answered(
    desk: BreakerDesk, breakers: CircuitBreakers, server: Broker
) -> None:
    fail(breakers, 1)
    assert desk.breakers() != []
    server.terminate()
    server.start()
    assert desk.breakers() == []
