"""Records: budgets, what is taken from them, and the stages that wait for one."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from pipeline.budgets import EVERYBODY, Budget, Period
from pipeline.ids import Hold
from pipeline.job import StageState
from pipeline.work import Refused
from tests.support.jobs import BROKEN, World, ended, key_of
from tests.support.tools import START

DAY = Budget("default", Period.DAY, 100)
MONTH = Budget("default", Period.MONTH, 150)
ALL = Budget(EVERYBODY, Period.DAY, 120)
PARKED = replace(BROKEN, code="budget_exhausted")


def used(world: World, *budgets: Budget) -> list[int]:
    return [state.used_micros for state in world.records.used(budgets, START)]


def test_what_is_taken_is_used_until_it_is_given_back(world: World) -> None:
    assert world.records.take([ALL, DAY], 60, START) is None
    assert used(world, ALL, DAY, MONTH) == [60, 60, 0]
    world.records.give_back([ALL, DAY], 45, START)
    assert used(world, ALL, DAY) == [15, 15]


def test_what_is_too_much_for_one_budget_is_taken_from_none(world: World) -> None:
    assert world.records.take([ALL], 50, START) is None
    assert world.records.take([ALL, DAY], 71, START) == ALL
    assert world.records.take([ALL, DAY], 70, START) is None
    assert world.records.take([replace(ALL, limit_micros=1000), DAY], 31, START) == DAY
    assert used(world, ALL, DAY) == [120, 70]


def test_more_may_have_been_spent_than_was_taken(world: World) -> None:
    world.records.take([DAY], 90, START)
    world.records.give_back([DAY], -30, START)
    assert used(world, DAY) == [120]
    assert world.records.take([DAY], 1, START) == DAY


def test_a_new_period_begins_with_nothing_used(world: World) -> None:
    assert world.records.take([DAY, MONTH], 100, START) is None
    tomorrow = START + timedelta(days=1)
    assert world.records.take([DAY, MONTH], 50, tomorrow) is None
    assert world.records.take([DAY, MONTH], 50, tomorrow) == MONTH
    assert world.records.take([DAY, MONTH], 100, START + timedelta(days=31)) is None


def test_those_who_take_at_once_do_not_exceed_it_together(world: World) -> None:
    with ThreadPoolExecutor(8) as threads:
        lacking = list(threads.map(lambda _: world.records.take([ALL, DAY, MONTH], 9, START), range(24)))
    assert lacking.count(None) == 11
    assert used(world, ALL, DAY, MONTH) == [99, 99, 99]


def test_limits_are_set_and_unset(world: World) -> None:
    world.records.set_limit("acme", Period.DAY, 5)
    world.records.set_limit("acme", Period.DAY, 7)
    world.records.set_limit(EVERYBODY, Period.MONTH, 9)
    assert world.records.own_limits(["acme", "other"]) == {("acme", Period.DAY): 7}
    assert world.records.all_limits() == {("acme", Period.DAY): 7, (EVERYBODY, Period.MONTH): 9}
    world.records.set_limit("acme", Period.DAY, None)
    assert world.records.own_limits(["acme"]) == {}


def test_what_waits_for_a_budget_can_be_made_due(world: World) -> None:
    parked, backing_off = world.accept(), world.accept()
    world.records.release(world.hold(parked), PARKED, delay_s=9000, spends=False, ended=ended())
    world.records.release(world.hold(backing_off), BROKEN, delay_s=9000, spends=True, ended=ended())
    assert world.records.unstarted(older_than_s=0, limit=9) == []
    assert world.records.retry_parked("budget_exhausted") == 1
    [suspect] = world.records.unstarted(older_than_s=1000, limit=9)
    assert suspect.key == key_of(parked)
    assert world.stage(parked).state is StageState.READY
    world.hold(parked)


def test_waiting_for_a_budget_does_not_use_up_patience_with_a_host(world: World) -> None:
    job = world.accept()
    world.records.release(world.hold(job), BROKEN, delay_s=0, spends=False, ended=ended())
    world.pass_time(100)
    granted = world.claim(job)
    assert granted.parked_s >= 99
    world.records.release(Hold(granted.key, granted.epoch), PARKED, delay_s=5000, spends=False, ended=ended())
    assert isinstance(world.records.claim(key_of(job), owner="worker", lease_s=30, at=START), Refused)
    world.pass_time(5001)
    assert world.claim(job).parked_s == 0
