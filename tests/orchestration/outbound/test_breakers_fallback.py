"""When shared states are given up for a process's own, and taken up again."""

import logging

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, OutOfMemoryError

from orchestration.outbound.breakers_fallback import FallbackStates
from orchestration.outbound.breakers_local import LocalStates
from orchestration.outbound.breakers_states import Standing
from orchestration.outbound.fallback import AWAY_S
from tests.support.tools import ManualClock

NAME = "origin:example.org:443"


class Fragile(LocalStates):
    """States that are sometimes out of reach; counts how often they were asked."""

    def __init__(self, clock):
        super().__init__(clock)
        self.trouble = None
        self.asked = 0

    def _state(self, dependency):
        self.asked += 1
        if self.trouble is not None:
            raise self.trouble
        return super()._state(dependency)


class Bench:
    def __init__(self):
        self.clock = ManualClock()
        self.shared = Fragile(self.clock)
        self.local = LocalStates(self.clock)
        self.states = FallbackStates(self.shared, self.local, self.clock)

    def admit(self, token="token"):
        return self.states.admit(NAME, token, lease_s=10).standing


@pytest.fixture
def bench():
    return Bench()


def test_what_is_known_is_shared_while_that_is_possible(bench):
    bench.shared.open(NAME, 40)
    assert bench.admit() is Standing.OPEN


@pytest.mark.parametrize("trouble", [RedisConnectionError(), NoPermissionError(), OutOfMemoryError(), OSError()])
def test_a_process_goes_by_what_it_knows_itself_when_that_is_all(bench, trouble):
    bench.shared.open(NAME, 40)
    bench.shared.trouble = trouble
    assert bench.admit() is Standing.CLOSED
    assert [bench.states.count_failure(NAME) for _ in range(2)] == [1, 2]
    bench.states.forget_failures(NAME)
    assert bench.states.count_failure(NAME) == 1
    bench.states.open(NAME, 2)
    assert bench.admit() is Standing.OPEN
    bench.clock.advance(3)
    assert bench.admit("first") is Standing.TRIAL
    assert bench.admit("second") is Standing.TRIED
    bench.states.renew(NAME, "first", 10)
    bench.states.release(NAME, "first")
    assert bench.admit("second") is Standing.TRIAL
    bench.states.reopen(NAME, "second", 1)
    bench.clock.advance(1)
    assert bench.admit("third") is Standing.TRIAL
    bench.states.close(NAME, "third")
    assert bench.admit() is Standing.CLOSED


def test_a_defect_is_none_of_these_troubles(bench):
    bench.shared.trouble = ValueError()
    with pytest.raises(ValueError):  # noqa: PT011
        bench.admit()


def test_one_call_in_a_while_looks_whether_the_trouble_is_over(bench):
    bench.shared.trouble = RedisConnectionError()
    for _ in range(3):
        for _ in range(5):
            bench.admit()
        bench.clock.advance(AWAY_S)
    assert bench.shared.asked == 3


def test_while_one_looks_the_others_do_not_wait_for_what_it_finds(bench):
    bench.shared.trouble = RedisConnectionError()
    bench.admit()
    bench.clock.advance(AWAY_S)
    look = bench.shared.admit

    def look_and_be_overtaken(*arguments):
        asked = bench.shared.asked
        assert bench.admit() is Standing.CLOSED
        assert bench.shared.asked == asked
        return look(*arguments)

    bench.shared.trouble, bench.shared.admit = None, look_and_be_overtaken
    bench.admit()


def test_what_is_known_is_shared_again_afterwards(bench):
    bench.shared.open(NAME, 40)
    bench.shared.trouble = RedisConnectionError()
    bench.admit()
    bench.shared.trouble = None
    assert bench.admit() is Standing.CLOSED
    bench.clock.advance(AWAY_S)
    assert [bench.admit() for _ in range(3)] == [Standing.OPEN] * 3


def test_a_trial_that_ends_where_it_did_not_begin_is_ended_by_its_lease(bench):
    bench.shared.open(NAME, 40)
    bench.clock.advance(40)
    assert bench.admit("first") is Standing.TRIAL
    bench.shared.trouble = RedisConnectionError()
    bench.states.close(NAME, "first")
    bench.shared.trouble = None
    bench.clock.advance(AWAY_S)
    assert bench.admit("second") is Standing.TRIED
    bench.clock.advance(10 - AWAY_S)
    assert bench.admit("second") is Standing.TRIAL


def test_the_log_tells_of_the_change_and_not_of_every_call(bench, caplog):
    caplog.set_level(logging.INFO)
    bench.shared.trouble = RedisConnectionError("gone")
    for _ in range(3):
        bench.admit()
        bench.clock.advance(AWAY_S)
    bench.shared.trouble = None
    for _ in range(3):
        bench.admit()
    assert caplog.messages == ["breakers are this process's own for now: gone", "breakers are shared again"]
