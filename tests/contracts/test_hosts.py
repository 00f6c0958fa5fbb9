"""What visitors of hosts are promised, wherever the turns are kept."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from orchestration.outbound.hosts import LATE_S, HostPace, HostStates
from orchestration.outbound.hosts_local import LocalHosts
from orchestration.outbound.hosts_shared import PREFIX, SharedHosts
from orchestration.transport.urls import read_url
from stages.contract import Visitor
from tests.support.brokers import KINDS, Broker
from tests.support.tools import ManualClock

HOST = "example.org:443"
SLOWLY = HostPace(interval_s=10)
LEASE_S = 60.0


@dataclass
class Bench:
    """Turns with an hour hand: `advance` makes time pass where they are kept."""

    states: HostStates
    advance: Callable[[float], None]

    def enter(self, name: str, pace: HostPace = SLOWLY, host: str = HOST, *, urgent: bool = False) -> float:
        return self.states.enter(host, Visitor(name, is_urgent=urgent), pace, LEASE_S)

    def leave(self, name: str, took_s: float = 1.0) -> None:
        self.states.leave(HOST, Visitor(name), took_s)


@pytest.fixture(scope="module")
def server() -> Iterator[Broker]:
    with TemporaryDirectory(prefix="hosts-") as folder, Broker(KINDS["valkey"].binary(), Path(folder)) as running:
        yield running


@pytest.fixture(params=["local", "shared"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    if request.param == "local":
        clock = ManualClock()
        yield Bench(LocalHosts(clock), clock.advance)
        return
    running: Broker = request.getfixturevalue("server")
    with running.client() as client:
        client.flushall()
        yield Bench(SharedHosts(read_url(running.url), timeout_s=10), lambda seconds: _age(client, seconds))


def _age(client: Any, seconds: float) -> None:
    """Move all moments into the past, as the server's clock cannot be moved."""
    for key in client.scan_iter(f"{PREFIX}*"):
        if key.endswith(":state"):
            for name in ("tail", "urgent", "last", "held"):
                if (moment := client.hget(key, name)) is not None:
                    client.hset(key, name, float(moment) - seconds * 1000)
        else:
            for visitor in client.zrange(key, 0, -1):
                client.zincrby(key, -seconds * 1000, visitor)


def near(seconds: float) -> Any:
    return pytest.approx(seconds, abs=1.0)


def test_the_first_enters_and_each_other_gets_a_slot_of_his_own(bench: Bench) -> None:
    assert bench.enter("a") == 0
    assert [bench.enter(name) for name in "bcd"] == [near(10), near(20), near(30)]


def test_who_asks_too_early_keeps_his_slot(bench: Bench) -> None:
    bench.enter("a")
    bench.enter("b")
    assert bench.enter("c") == near(20)
    bench.advance(5)
    assert bench.enter("c") == near(15)
    assert bench.enter("d") == near(25)


def test_who_comes_at_his_slot_enters_and_has_used_it(bench: Bench) -> None:
    bench.enter("a")
    bench.enter("b")
    bench.advance(10.5)
    assert bench.enter("b") == 0
    assert bench.enter("b") == near(9.5)


@pytest.mark.parametrize("crowd", [1_000, pytest.param(10_000, marks=pytest.mark.full)])
def test_visitors_are_sent_away_once_each_however_many(bench: Bench, crowd: int) -> None:
    pace, many = HostPace(interval_s=1), 40 if isinstance(bench.states, SharedHosts) else crowd
    came = sorted((bench.enter(f"v{n}", pace), f"v{n}") for n in range(many))
    asked, now = many, 0.0
    for due, name in came[1:]:
        bench.advance(max(0.0, due + 0.1 - now))
        now = max(now, due + 0.1)
        asked += 1
        assert bench.enter(name, pace) == 0
    assert asked == 2 * many - 1
    assert now == pytest.approx(many - 1, abs=5)


def test_a_slot_that_was_missed_for_long_is_lost(bench: Bench) -> None:
    for name in "abc":
        bench.enter(name)
    bench.advance(20 + LATE_S + 1)
    assert bench.enter("b") == 0
    assert bench.enter("c") == near(10)


def test_an_idle_host_is_visited_at_once(bench: Bench) -> None:
    bench.enter("a")
    bench.advance(10.1)
    assert bench.enter("b") == 0


def test_hosts_do_not_wait_for_each_other(bench: Bench) -> None:
    assert bench.enter("a") == 0
    assert bench.enter("b", host="example.com:443") == 0


def test_an_urgent_visitor_goes_before_the_line_and_the_pace_is_kept(bench: Bench) -> None:
    for name in "abcd":
        bench.enter(name)
    bench.advance(4)
    assert bench.enter("u", urgent=True) == near(6)
    bench.advance(6.1)
    assert bench.enter("u", urgent=True) == 0
    assert bench.enter("b") == near(30), "its slot was taken; it has the one after the line"
    bench.advance(10)
    assert bench.enter("c") == 0


def test_no_more_are_inside_than_may_be(bench: Bench) -> None:
    pace = HostPace(most=2)
    assert [bench.enter(name, pace) for name in "ab"] == [0, 0]
    waits = [bench.enter(name, pace) for name in "cde"]
    assert waits == sorted(set(waits))
    assert waits[0] > 0
    bench.leave("a")
    assert bench.enter("c", pace) >= 0
    bench.advance(1)
    assert bench.enter("c", pace) == 0
    assert bench.enter("d", pace) > 0


def test_those_who_wait_for_others_to_leave_come_as_fast_as_visits_end(bench: Bench) -> None:
    pace = HostPace(most=1)
    for _ in range(30):
        bench.enter("a", pace)
        bench.leave("a", took_s=20)
    bench.enter("a", pace)
    waits = [bench.enter(name, pace) for name in "bcd"]
    assert [later - sooner for sooner, later in pairwise(waits)] == [near(20), near(20)]


def test_a_visitor_who_died_inside_leaves_when_his_lease_is_over(bench: Bench) -> None:
    pace = HostPace(most=1)
    bench.enter("a", pace)
    assert bench.enter("b", pace) > 0
    bench.advance(LEASE_S + 1)
    assert bench.enter("b", pace) == 0


def test_a_host_that_asks_for_patience_gets_it_from_all(bench: Bench) -> None:
    bench.states.hold(HOST, 40)
    bench.states.hold(HOST, 5)
    first, second = bench.enter("a"), bench.enter("b")
    assert (first, second) == (near(40), near(50))
    assert bench.enter("c", HostPace()) == near(50), "with no pace of its own it comes just after"
    bench.advance(41)
    assert bench.enter("a") == 0


def test_without_limits_everybody_enters(bench: Bench) -> None:
    assert [bench.enter(name, HostPace()) for name in "abc"] == [0, 0, 0]


def test_a_robots_txt_is_kept_for_its_time(bench: Bench) -> None:
    assert bench.states.robots("https://example.org:443") is None
    bench.states.keep_robots("https://example.org:443", b"kept", 60)
    assert bench.states.robots("https://example.org:443") == b"kept"
    bench.states.keep_robots("https://example.org:443", b"short", 0.05)
    deadline = time.monotonic() + 5
    while bench.states.robots("https://example.org:443") and time.monotonic() < deadline:
        bench.advance(0.1)
    assert bench.states.robots("https://example.org:443") is None
