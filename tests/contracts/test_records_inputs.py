"""Records: a stage finds that an output it reads is lost, and the stage that made it runs again, once."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from pipeline.ids import Claim, Hold
from pipeline.job import Attempt, JobError, JobState, NewJob, StageState
from tests.support.at_once import at_once
from tests.support.jobs import BROKEN, LEASE_S, MESSAGE, World, ended, key_of, new_job, output_of, refused_once
from tests.support.tools import START

LOST = JobError("payload_missing", "A stored payload is gone.", "store")


def lose(world: World, hold: Hold, output: str) -> bool:
    return world.records.lose_input(hold, LOST, claim_key=output_of(output).key, ended=ended())


def states(world: World, job: NewJob) -> list[StageState]:
    return [stage.state for stage in world.read(job).stages]


def never_launched(world: World) -> list[str]:
    return [suspect.key.stage for suspect in world.records.unstarted(older_than_s=1000, limit=9)]


def test_the_stage_before_runs_again_and_this_one_waits(world: World) -> None:
    job = world.accept()
    world.do(job, "fetch")
    hold = world.hold(job, "extract")
    assert lose(world, hold, "fetch")
    first, second, _ = world.read(job).stages
    assert states(world, job) == [StageState.READY, StageState.WAITING, StageState.WAITING]
    assert (first.claim, first.finished_at, first.duration_s, first.reruns) == (None, None, None, 1)
    assert (first.attempts, first.launches) == (0, 1)
    assert (second.attempts, second.losses, second.launches, second.error) == (0, 0, 1, LOST)
    assert second.tries == (Attempt(1, START, ended().at, "returned", 2.0, LOST),)
    assert world.read(job).state is JobState.RUNNING


def test_the_keeper_finds_what_runs_again_at_once(world: World) -> None:
    job = world.accept()
    world.do(job, "fetch")
    lose(world, world.hold(job, "extract"), "fetch")
    (suspect,) = world.records.unstarted(older_than_s=1000, limit=9)
    assert suspect.key == key_of(job)
    assert world.records.relaunch(suspect)
    assert never_launched(world) == []


def test_a_job_goes_on_where_it_was_once_the_output_is_there_again(world: World) -> None:
    job = world.accept()
    world.do(job, "fetch")
    lose(world, world.hold(job, "extract"), "fetch")
    world.do(job, "fetch", "extract", "store")
    read = world.read(job)
    assert (read.state, read.result) == (JobState.SUCCEEDED, output_of("store"))
    assert [(stage.attempts, stage.reruns, stage.launches) for stage in read.stages] == [
        (1, 1, 1),
        (1, 0, 2),
        (1, 0, 1),
    ]
    outcomes = [[attempt.outcome for attempt in stage.tries] for stage in read.stages]
    assert outcomes == [["succeeded", "succeeded"], ["returned", "succeeded"], ["succeeded"]]


def test_an_earlier_output_that_is_lost_is_made_again_and_the_stages_between_stay(world: World) -> None:
    job = world.accept()
    world.do(job, "fetch", "extract")
    assert lose(world, world.hold(job, "store"), "fetch")
    assert states(world, job) == [StageState.READY, StageState.SUCCEEDED, StageState.WAITING]
    assert world.claim(job).done == ()
    world.records.complete(Hold(key_of(job), 2), output_of("fetch"), ended())
    assert states(world, job) == [StageState.SUCCEEDED, StageState.SUCCEEDED, StageState.READY]
    assert [record.stage for record in world.claim(job, "store").done] == ["fetch", "extract"]


def test_losses_may_go_back_stage_by_stage(world: World) -> None:
    job = world.accept()
    world.do(job, "fetch", "extract")
    assert lose(world, world.hold(job, "store"), "extract")
    assert lose(world, world.hold(job, "extract"), "fetch")
    assert states(world, job) == [StageState.READY, StageState.WAITING, StageState.WAITING]
    world.do(job, "fetch", "extract", "store")
    assert world.read(job).state is JobState.SUCCEEDED


def test_an_output_that_is_lost_twice_fails_the_job(world: World) -> None:
    job = world.accept()
    world.do(job, "fetch")
    lose(world, world.hold(job, "extract"), "fetch")
    world.do(job, "fetch")
    assert lose(world, world.hold(job, "extract"), "fetch")
    read = world.read(job)
    assert (read.state, read.error, read.finished_at) == (JobState.FAILED, LOST, ended().at)
    assert states(world, job) == [StageState.SUCCEEDED, StageState.FAILED, StageState.CANCELLED]
    assert (read.stages[1].attempts, read.stages[1].tries[-1].outcome) == (0, "failed")


@pytest.mark.parametrize("stage", ["fetch", "extract"])
def test_what_no_stage_produced_fails_the_job(world: World, stage: str) -> None:
    job = world.accept()
    world.do(job, *["fetch"][: stage == "extract"])
    body = Claim("default/j/1/source.0-ab", "ab" * 32, 5, "text/html")
    assert world.records.lose_input(world.hold(job, stage), LOST, claim_key=body.key, ended=ended())
    assert (world.read(job).state, world.read(job).error) == (JobState.FAILED, LOST)


def test_a_stage_that_runs_again_has_all_its_attempts_and_no_parked_time(world: World) -> None:
    job = world.accept()
    for spends in (True, True, False):
        world.records.release(world.hold(job), BROKEN, delay_s=0, spends=spends, ended=ended())
    world.do(job, "fetch")
    lose(world, world.hold(job, "extract"), "fetch")
    world.pass_time(100)
    granted = world.claim(job)
    assert (granted.epoch, granted.attempts, granted.parked_s) == (5, 0, 0)


def test_a_hold_that_is_not_the_latest_loses_nothing(world: World) -> None:
    job = world.accept()
    world.do(job, "fetch")
    zombie = world.hold(job, "extract")
    world.records.take_over(zombie.key, message_id=MESSAGE, at=START)
    before = world.read(job)
    assert not lose(world, zombie, "fetch")
    assert not lose(world, Hold(key_of(new_job()), 1), "fetch")
    assert not lose(world, Hold(key_of(job, "translate"), 1), "fetch")
    assert world.read(job) == refused_once(before, "extract")
    assert lose(world, world.hold(job, "extract"), "fetch")
    assert not lose(world, replace(zombie, epoch=2), "fetch")


Ending = Callable[[World, Hold], bool]
OTHERS: dict[str, Ending] = {
    "complete": lambda world, hold: world.records.complete(hold, output_of("extract"), ended()),
    "lose": lambda world, hold: lose(world, hold, "fetch"),
    "take over": lambda world, hold: world.records.take_over(hold.key, message_id=MESSAGE, at=START),
    "renew": lambda world, hold: bool(world.records.renew([hold], lease_s=LEASE_S).lost),
}


@pytest.mark.parametrize("other", ["complete", "lose", "take over"])
def test_a_hold_ends_in_one_way_when_two_come_at_once(world: World, other: str) -> None:
    for _ in range(10):
        job = world.accept()
        world.do(job, "fetch")
        hold = world.hold(job, "extract")
        acts = [OTHERS["lose"], OTHERS[other], OTHERS["renew"]]
        lost, ended_otherwise, _renewed = at_once(*[lambda act=act: act(world, hold) for act in acts])  # noqa: B023
        assert [lost, ended_otherwise].count(True) == 1, (lost, ended_otherwise)
        assert world.stage(job).reruns == (1 if lost else other == "lose")
