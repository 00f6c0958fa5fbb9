"""What callers are promised by the limits of calls and tokens per minute, wherever the clocks are kept."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from orchestration.outbound.pace import BURST_S, KEPT_S, PaceStates
from orchestration.outbound.pace_local import LocalPace
from orchestration.outbound.pace_shared import PREFIX, SharedPace
from orchestration.transport.urls import read_url
from tests.support.brokers import KINDS, Broker
from tests.support.tools import ManualClock

MODEL = "llm.test:443/m"
CALL_S = 5.0
"""12 calls a minute."""
BURST = int(BURST_S / CALL_S) + 1
"""Calls that may be made at once: one more than fit, as a call may always be begun."""


@dataclass
class Bench:
    """Clocks with a hand: `advance` makes time pass where they are kept."""

    states: PaceStates
    advance: Callable[[float], None]

    def call(self, ticket: str, tokens_s: float = 0.0) -> float:
        return self.states.admit(MODEL, ticket, CALL_S, tokens_s)

    def use_up(self) -> None:
        assert [self.call(f"first-{number}") for number in range(BURST)] == [0.0] * BURST


@pytest.fixture(scope="module")
def server() -> Iterator[Broker]:
    # Not pytest's folder: the path of a Unix socket may have about a hundred bytes.
    with TemporaryDirectory(prefix="pace-") as folder, Broker(KINDS["valkey"].binary(), Path(folder)) as server:
        yield server


@pytest.fixture(params=["local", "shared"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    if request.param == "local":
        clock = ManualClock()
        yield Bench(LocalPace(clock), clock.advance)
        return
    server = request.getfixturevalue("server")
    with server.client() as client:
        client.flushall()

        def advance(seconds: float) -> None:
            """The server's clock cannot be set: what is compared with it is moved back."""
            for key in client.keys(f"{PREFIX}*"):
                if client.type(key) in (b"hash", "hash"):
                    for name in client.hkeys(key):
                        client.hincrbyfloat(key, name, -seconds * 1000)
                elif (life_ms := client.pttl(key)) > seconds * 1000:
                    client.set(key, float(client.get(key)) - seconds * 1000, px=round(life_ms - seconds * 1000))
                else:
                    client.delete(key)

        yield Bench(SharedPace(read_url(server.url), timeout_s=10), advance)


def test_so_many_calls_may_be_made_at_once_and_then_each_waits_for_its_own_moment(bench: Bench) -> None:
    bench.use_up()
    waits_s = [bench.call(f"later-{number}") for number in range(4)]
    assert waits_s == pytest.approx([CALL_S, 2 * CALL_S, 3 * CALL_S, 4 * CALL_S], abs=0.5)


def test_who_comes_at_the_moment_that_was_reserved_waits_no_more(bench: Bench) -> None:
    bench.use_up()
    bench.advance(0.01 + bench.call("patient"))
    assert bench.call("patient") == 0
    assert bench.call("patient") == pytest.approx(CALL_S, abs=0.5)


def test_who_comes_early_keeps_the_moment(bench: Bench) -> None:
    bench.use_up()
    wait_s = bench.call("early")
    bench.advance(wait_s / 2)
    assert bench.call("early") == pytest.approx(wait_s / 2, abs=0.5)


def test_a_moment_that_nobody_came_for_is_not_reserved_for_ever(bench: Bench) -> None:
    bench.use_up()
    bench.call("gone")
    bench.advance(KEPT_S + CALL_S + 1)
    assert [bench.call(f"again-{number}") for number in range(BURST - 1)] == [0.0] * (BURST - 1)


def test_idle_time_is_not_saved_up(bench: Bench) -> None:
    bench.use_up()
    bench.advance(3600)
    bench.use_up()
    assert bench.call("one-more") > 0


def test_tokens_count_apart_from_calls(bench: Bench) -> None:
    assert bench.call("long", tokens_s=30.0) == 0
    assert bench.call("next", tokens_s=1.0) == pytest.approx(30 - BURST_S, abs=0.5)
    assert bench.states.admit("another", "next", CALL_S, 1.0) == 0


def test_tokens_that_were_not_taken_are_given_back(bench: Bench) -> None:
    bench.call("long", tokens_s=30.0)
    bench.states.correct(MODEL, -25.0)
    assert bench.call("next", tokens_s=1.0) == 0


def test_while_it_is_paused_nobody_calls_and_then_not_all_at_once(bench: Bench) -> None:
    bench.use_up()
    reserved = bench.call("reserved")
    bench.states.pause(MODEL, 60.0)
    bench.states.pause(MODEL, 1.0)
    bench.advance(reserved + 0.01)
    waits_s = [bench.call("reserved"), *(bench.call(f"new-{number}") for number in range(BURST + 1))]
    left_s = 60 - reserved
    assert waits_s[0] == pytest.approx(left_s, abs=0.5)
    assert [round(wait_s) for wait_s in waits_s] == sorted(round(wait_s) for wait_s in waits_s)
    assert waits_s[-1] > left_s + 1
    bench.advance(left_s)
    assert bench.call("reserved") == 0


def test_without_limits_only_a_pause_is_waited_for(bench: Bench) -> None:
    assert [bench.states.admit(MODEL, str(number), 0.0, 0.0) for number in range(50)] == [0.0] * 50
    bench.states.pause(MODEL, 7.0)
    assert bench.states.admit(MODEL, "x", 0.0, 0.0) == pytest.approx(7.0, abs=0.5)


def test_those_who_come_at_once_get_moments_of_their_own(bench: Bench) -> None:
    with ThreadPoolExecutor(8) as threads:
        waits_s = list(threads.map(lambda number: bench.call(f"crowd-{number}"), range(40)))
    assert waits_s.count(0.0) == BURST
    waiting = sorted(wait_s for wait_s in waits_s if wait_s)
    assert waiting == pytest.approx([CALL_S * (number + 1) for number in range(40 - BURST)], abs=1.0)


def test_redis_forgets_what_nobody_needs(server: Broker) -> None:
    states = SharedPace(read_url(server.url), timeout_s=10)
    with server.client() as client:
        client.flushall()
        for number in range(BURST + 2):
            states.admit(MODEL, str(number), CALL_S, 3.0)
        states.pause(MODEL, 5.0)
        lives_s = [client.ttl(key) for key in client.keys(f"{PREFIX}*")]
    assert len(lives_s) == 3
    assert all(0 < life_s <= KEPT_S + 60 for life_s in lives_s)
