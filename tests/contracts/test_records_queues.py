"""Records: which queues are paused, which workers live, and what runs."""

from dataclasses import replace
from datetime import timedelta

from pipeline.ids import Hold
from pipeline.queues import Running, Worker
from tests.support.at_once import at_once
from tests.support.jobs import BROKEN, LEASE_S, MESSAGE, World, ended, key_of
from tests.support.tools import START

LATER = START + timedelta(minutes=5)
LONGEST_NAME = "s" * 63
WORKER = Worker("fetch-7@host", ("fetch",), "host", 7, started_at=START, seen_at=LATER, finished_per_s=1.5)
PATIENCE_S = 10.0


def overdue(world: World) -> list[str]:
    return [suspect.key.job_id for suspect in world.records.unstarted(older_than_s=PATIENCE_S, limit=9)]


# pausing


def test_a_queue_is_paused_until_it_is_resumed(world: World) -> None:
    assert world.records.paused() == {}
    for stage in ("fetch", LONGEST_NAME):
        assert world.records.pause(stage, START) == START
    assert world.records.paused() == {"fetch": START, LONGEST_NAME: START}
    world.records.resume("fetch")
    assert world.records.paused() == {LONGEST_NAME: START}


def test_a_second_pause_does_not_change_since_when(world: World) -> None:
    world.records.pause("fetch", START)
    assert world.records.pause("fetch", LATER) == START
    world.records.resume("fetch")
    assert world.records.pause("fetch", LATER) == LATER


def test_what_was_not_paused_can_be_resumed(world: World) -> None:
    job = world.accept()
    world.pass_time(PATIENCE_S + 1)
    world.records.resume("fetch")
    assert world.records.paused() == {}
    assert overdue(world) == [job.id]


def test_of_pauses_at_the_same_time_none_is_lost(world: World) -> None:
    for _ in range(10):
        at_once(*(lambda stage=stage: world.records.pause(stage, START) for stage in "abcd"))
        assert set(world.records.paused()) == set("abcd")
        at_once(*(lambda stage=stage: world.records.resume(stage) for stage in "abcd"))
        assert world.records.paused() == {}


def test_the_time_of_a_pause_does_not_make_a_stage_overdue(world: World) -> None:
    job, elsewhere = world.accept(), world.accept()
    world.do(elsewhere, "fetch")
    world.records.pause("fetch", START)
    world.pass_time(PATIENCE_S + 1)
    world.records.resume("fetch")
    assert overdue(world) == [elsewhere.id]
    world.pass_time(PATIENCE_S + 1)
    assert sorted(overdue(world)) == sorted([job.id, elsewhere.id])


def test_what_was_never_published_still_is_to_be_after_a_pause(world: World) -> None:
    job = world.accept()
    world.records.unlaunch(key_of(job))
    world.records.pause("fetch", START)
    world.records.resume("fetch")
    assert overdue(world) == [job.id]


def test_the_time_of_a_pause_is_none_of_parking(world: World) -> None:
    job = world.accept()
    assert world.records.release(world.hold(job), BROKEN, delay_s=0, spends=False, ended=ended())
    world.pass_time(5)
    world.records.pause("fetch", START)
    world.pass_time(3600)
    world.records.resume("fetch")
    world.pass_time(7)
    assert 6 < world.claim(job).parked_s < 60


def test_a_pause_keeps_nobody_from_claiming(world: World) -> None:
    """Whether to begin is decided by those who serve the queue; the records do not ask twice."""
    job = world.accept()
    world.records.pause("fetch", START)
    assert world.claim(job).epoch == 1


# workers


def test_a_worker_lives_until_it_was_silent_for_too_long(world: World) -> None:
    assert world.records.workers() == []
    world.records.check_in(WORKER, lease_s=10)
    world.pass_time(8)
    assert world.records.workers() == [WORKER]
    again = replace(WORKER, seen_at=LATER + timedelta(seconds=8), finished_per_s=0.0)
    world.records.check_in(again, lease_s=10)
    world.pass_time(8)
    assert world.records.workers() == [again]
    world.pass_time(8)
    assert world.records.workers() == []


def test_a_worker_that_ends_is_gone_at_once(world: World) -> None:
    other = replace(WORKER, name="store-8@" + "h" * 250, stages=("store",), pid=8)
    for worker in (WORKER, other):
        world.records.check_in(worker, lease_s=10)
    world.records.check_out(WORKER.name)
    world.records.check_out("nobody@host")
    assert world.records.workers() == [other]


def test_workers_are_listed_by_name(world: World) -> None:
    names = ["store-3@b", "fetch-2@b", "fetch-1@a"]
    for name in names:
        world.records.check_in(replace(WORKER, name=name), lease_s=10)
    assert [worker.name for worker in world.records.workers()] == sorted(names)


def test_only_the_dead_are_forgotten(world: World) -> None:
    world.records.check_in(replace(WORKER, name="dead@host"), lease_s=10)
    world.records.set_marker("another", "value")
    world.pass_time(11)
    world.records.check_in(WORKER, lease_s=10)
    assert world.records.forget_workers() == 1
    assert world.records.forget_workers() == 0
    assert world.records.workers() == [WORKER]
    assert world.records.marker("another") == "value"


# what runs


def test_what_runs_is_counted_by_stage_and_owner(world: World) -> None:
    jobs = [world.accept() for _ in range(4)]
    for job, owner in zip(jobs[:3], ("a:1", "a:1", "b:2"), strict=True):
        world.records.claim(key_of(job), owner=owner, message_id=MESSAGE, lease_s=LEASE_S, at=START)
    assert sorted(world.records.running(), key=str) == [Running("fetch", "a:1", 2), Running("fetch", "b:2", 1)]


def test_what_has_ended_does_not_run(world: World) -> None:
    job = world.accept()
    granted = world.claim(job)
    assert world.records.release(Hold(granted.key, granted.epoch), BROKEN, delay_s=0, spends=True, ended=ended())
    assert world.records.running() == []
