"""Records: setting right what a dead worker, a broker without its memory or a power cut left behind."""

from datetime import timedelta

from pipeline.job import MAX_LOSSES, JobState, StageState
from pipeline.verdicts import worker_lost
from tests.support.jobs import BROKEN, LEASE_S, MESSAGE, STAGES, TENANT, World, ended, key_of, output_of
from tests.support.tools import START

LATER = START + timedelta(minutes=5)


def overdue(world: World) -> list[str]:
    return [suspect.key.job_id for suspect in world.records.unstarted(older_than_s=10, limit=9)]


# take over


def test_a_stage_is_taken_over_before_its_lease_runs_out(world: World) -> None:
    job = world.accept()
    hold = world.hold(job)
    assert world.records.take_over(hold.key, message_id=MESSAGE, at=LATER)
    stage = world.stage(job)
    assert (stage.state, stage.losses, stage.attempts, stage.launches) == (StageState.READY, 1, 0, 2)
    (attempt,) = stage.tries
    assert (attempt.outcome, attempt.finished_at, attempt.error and attempt.error.code) == (
        "lost",
        LATER,
        "worker_lost",
    )
    assert overdue(world) == []
    assert not world.records.complete(hold, output_of("fetch"), ended())
    assert world.claim(job).epoch == 2


def test_what_runs_for_another_message_is_not_taken_over(world: World) -> None:
    job, untold = world.accept(), world.accept()
    world.hold(job)
    world.records.claim(key_of(untold), owner="worker", lease_s=LEASE_S, at=START)
    before = [world.read(job), world.read(untold)]
    assert not world.records.take_over(key_of(job), message_id="publisher.0", at=LATER)
    assert not world.records.take_over(key_of(untold), message_id=MESSAGE, at=LATER)
    assert [world.read(job), world.read(untold)] == before


def test_what_is_not_running_is_not_taken_over(world: World) -> None:
    ready, done, cancelled = jobs = [world.accept() for _ in range(3)]
    world.do(done, *STAGES)
    world.records.request_cancel(TENANT, cancelled.id, START)
    before = [world.read(job) for job in jobs]
    keys = [*map(key_of, jobs), key_of(ready, "extract"), key_of(ready, "translate"), key_of(ready, run=2)]
    assert not any(world.records.take_over(key, message_id=MESSAGE, at=LATER) for key in keys)
    assert [world.read(job) for job in jobs] == before


def test_a_stage_is_taken_over_no_more_often_than_workers_may_die(world: World) -> None:
    job = world.accept()
    answers = [world.records.take_over(world.hold(job).key, message_id=MESSAGE, at=LATER) for _ in range(MAX_LOSSES)]
    assert answers == [True] * (MAX_LOSSES - 1) + [False]
    read = world.read(job)
    assert (read.state, read.error and read.error.code, read.finished_at) == (JobState.FAILED, "worker_lost", LATER)
    assert [stage.state for stage in read.stages] == [
        StageState.FAILED,
        StageState.CANCELLED,
        StageState.CANCELLED,
    ]


# relaunch all


def test_all_ready_stages_count_as_never_launched_when_the_broker_lost_its_memory(world: World) -> None:
    queued, delayed, running, done = (world.accept() for _ in range(4))
    world.records.release(world.hold(delayed), BROKEN, delay_s=60, spends=True, ended=ended())
    world.hold(running)
    world.do(done, *STAGES)
    before = [world.read(job) for job in (queued, delayed, running, done)]
    assert world.records.relaunch_all() == 2
    assert [world.read(job) for job in (queued, delayed, running, done)] == before
    assert overdue(world) == [queued.id]
    world.pass_time(61)
    assert overdue(world) == [queued.id, delayed.id]
    assert world.records.relaunch_all() == 0


# resume


def test_interrupted_stages_are_ready_at_once_and_nothing_is_counted(world: World) -> None:
    interrupted, queued, done = (world.accept() for _ in range(3))
    world.do(interrupted, "fetch")
    hold = world.hold(interrupted, "extract")
    world.do(done, *STAGES)
    others = [world.read(job) for job in (queued, done)]
    assert world.records.resume_interrupted(at=LATER) == 1
    stage = world.stage(interrupted, "extract")
    assert (stage.state, stage.losses, stage.attempts, stage.launches) == (StageState.READY, 0, 0, 1)
    (attempt,) = stage.tries
    assert (attempt.outcome, attempt.finished_at, attempt.error) == ("lost", LATER, worker_lost("extract", 0))
    assert overdue(world) == [interrupted.id]
    assert not world.records.complete(hold, output_of("extract"), ended())
    assert [world.read(job) for job in (queued, done)] == others
    assert world.records.resume_interrupted(at=LATER) == 0


def test_a_stage_that_waits_to_be_tried_again_is_launched_when_due_after_an_interruption(world: World) -> None:
    retried, never_tried = world.accept(), world.accept()
    world.records.release(world.hold(retried), BROKEN, delay_s=5, spends=True, ended=ended())
    assert world.records.resume_interrupted(at=LATER) == 0
    assert overdue(world) == []
    world.pass_time(6)
    assert overdue(world) == [retried.id]
    assert never_tried.id not in overdue(world)
