"""What a piece of work accepts instead of asking a host."""

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from pipeline.cached_pages import PageWish
from pipeline.ids import uuid7
from pipeline.memory import MemoryRecords
from pipeline.terms import JobTerms
from stages.contract import Options
from tests.support.jobs import World
from tests.support.tools import START, ManualClock

BATCH = str(uuid7(START, Random(1)))
LATER = START + timedelta(hours=1)


@pytest.fixture
def world() -> World:
    clock = ManualClock()
    return World(MemoryRecords(clock), clock.advance)


def test_a_single_job_accepts_what_it_says(world: World) -> None:
    wish = PageWish.of(world.claim(world.accept(options=Options(max_age_s=60))))
    assert wish == PageWish("default", 60)
    assert PageWish.of(world.claim(world.accept(tenant_id="theirs"))) == PageWish("theirs")


def test_the_jobs_of_a_batch_accept_what_came_since_it_was_accepted(world: World) -> None:
    job = world.accept(batch_id=BATCH, created_at=START + timedelta(minutes=5))
    assert PageWish.of(world.claim(job)) == PageWish("default", since=START)


def test_one_that_is_due_later_accepts_what_comes_from_then(world: World) -> None:
    job = world.accept(batch_id=BATCH, terms=JobTerms(not_before=LATER))
    world.pass_time(7200)
    world.records.admit(dict.fromkeys(world.records.flows(), 1))
    assert PageWish.of(world.claim(job)) == PageWish("default", since=LATER)


def test_a_job_that_runs_again_asks_anew(world: World) -> None:
    granted = world.claim(world.accept(batch_id=BATCH))
    again = replace(granted, key=replace(granted.key, run=2))
    assert PageWish.of(again) == PageWish("default")


@pytest.mark.parametrize(
    ("wish", "can"),
    [
        (PageWish("t"), False),
        (PageWish("t", 60), True),
        (PageWish("t", 0), False),
        (PageWish("t", since=START), True),
        (PageWish("t", 0, since=START), False),
    ],
)
def test_who_can_wait_for_another(wish: PageWish, can: bool) -> None:
    assert wish.can_wait is can
