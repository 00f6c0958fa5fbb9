"""Records: running a finished job again, from where it stopped or from a stage that is asked for."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.errors import InputExpired, JobFinished, JobNotFound, JobUnfinished, UnknownStage
from pipeline.ids import Hold
from pipeline.job import Job, JobSource, JobState, Lane, NewJob, StageState
from pipeline.runs import NewRun, RunOrigin, RunSummary
from pipeline.work import Refusal, Refused
from stages.contract import Options
from tests.support.at_once import at_once
from tests.support.jobs import BROKEN, LEASE_S, MESSAGE, STAGES, TENANT, World, ended, key_of, new_job, output_of
from tests.support.tools import START

AGAIN = START + timedelta(days=2)
DEADLINE = AGAIN + timedelta(hours=1)


def another(from_stage: str | None = None, options: Options | None = None) -> NewRun:
    return NewRun(from_stage, options, deadline_at=DEADLINE, at=AGAIN)


def open_run(world: World, job: NewJob, from_stage: str | None = None, options: Options | None = None) -> Job:
    return world.records.open_run(TENANT, job.id, another(from_stage, options))


def failed_at(world: World, stage: str) -> NewJob:
    job = world.accept()
    world.do(job, *STAGES[: STAGES.index(stage)])
    world.fail(job, stage)
    return job


def test_a_failed_job_runs_again_where_it_failed(world: World) -> None:
    job = failed_at(world, "extract")
    opened = open_run(world, job)
    assert opened == world.read(job)
    assert (opened.run, opened.state, opened.deadline_at, opened.created_at) == (
        2,
        JobState.QUEUED,
        DEADLINE,
        job.created_at,
    )
    assert (opened.error, opened.result, opened.started_at, opened.finished_at) == (None, None, None, None)
    done, ready, waiting = opened.stages
    assert (done.state, done.claim, done.attempts) == (StageState.SUCCEEDED, output_of("fetch"), 1)
    assert (done.started_at, done.finished_at, done.duration_s) == (START, ended().at, 2.0)
    assert (done.launches, done.tries) == (0, ())
    assert (ready.state, ready.attempts, ready.launches, ready.error) == (StageState.READY, 0, 1, None)
    assert (waiting.state, waiting.launches) == (StageState.WAITING, 0)


def test_the_second_run_ends_as_any_other(world: World) -> None:
    job = failed_at(world, "extract")
    open_run(world, job)
    granted = world.claim(job, "extract", at=AGAIN, run=2)
    assert (granted.epoch, granted.input, granted.deadline_at) == (1, output_of("fetch"), DEADLINE)
    assert (world.read(job).state, world.read(job).started_at) == (JobState.RUNNING, AGAIN)
    world.records.release(Hold(granted.key, granted.epoch), BROKEN, delay_s=0, spends=True, ended=ended())
    world.do(job, "extract", "store", run=2, at=AGAIN)
    read = world.read(job)
    assert (read.state, read.result) == (JobState.SUCCEEDED, output_of("store"))
    assert read.finished_at == AGAIN + timedelta(seconds=2)


def test_the_run_before_stays_as_it_was(world: World) -> None:
    job = failed_at(world, "extract")
    before = world.read(job)
    open_run(world, job, options=Options(processing="detailed"))
    world.do(job, "extract", "store", run=2)
    assert world.records.job(TENANT, job.id, run=1) == before
    assert world.records.job(TENANT, job.id, run=2) == world.read(job)
    assert world.read(job).options == Options(processing="detailed")


@pytest.mark.parametrize("run", [-1, 0, 3, 2**70])
def test_a_run_that_is_not_there_is_none(world: World, run: int) -> None:
    job = failed_at(world, "fetch")
    open_run(world, job)
    assert world.records.job(TENANT, job.id, run) is None
    assert world.records.job("theirs", job.id, 1) is None


def test_all_runs_are_listed_in_order(world: World) -> None:
    job = failed_at(world, "extract")
    open_run(world, job)
    world.do(job, "extract", "store", run=2, at=AGAIN)
    open_run(world, job, "fetch")
    failed = replace(BROKEN, stage="extract")
    assert world.records.runs(TENANT, job.id) == (
        RunSummary(
            1,
            JobState.FAILED,
            RunOrigin.SUBMIT,
            None,
            Lane.NORMAL,
            job.created_at,
            START,
            ended().at,
            failed,
            has_result=False,
        ),
        RunSummary(
            2,
            JobState.SUCCEEDED,
            RunOrigin.RETRY,
            "extract",
            Lane.NORMAL,
            AGAIN,
            START,
            AGAIN + timedelta(seconds=2),
            None,
            has_result=True,
        ),
        RunSummary(
            3, JobState.QUEUED, RunOrigin.REPLAY, "fetch", Lane.NORMAL, AGAIN, None, None, None, has_result=False
        ),
    )


def test_what_is_no_job_has_no_runs(world: World) -> None:
    job = world.accept()
    assert world.records.runs("theirs", job.id) == ()
    assert world.records.runs(TENANT, new_job().id) == ()
    assert world.records.runs(TENANT, "nonsense") == ()


def test_a_cancelled_job_runs_again_from_the_first_stage_that_was_not_done(world: World) -> None:
    job = world.accept()
    world.do(job, "fetch")
    world.hold(job, "extract")
    world.records.request_cancel(TENANT, job.id, START)
    opened = open_run(world, job)
    assert [stage.state for stage in opened.stages] == [StageState.SUCCEEDED, StageState.READY, StageState.WAITING]


@pytest.mark.parametrize("stage", STAGES)
def test_a_job_that_succeeded_runs_again_from_any_stage(world: World, stage: str) -> None:
    job = world.accept()
    world.do(job, *STAGES)
    opened = open_run(world, job, stage)
    position = STAGES.index(stage)
    expected = [StageState.SUCCEEDED] * position + [StageState.READY] + [StageState.WAITING] * (2 - position)
    assert [each.state for each in opened.stages] == expected
    world.do(job, *STAGES[position:], run=2)
    assert world.read(job).state is JobState.SUCCEEDED


def test_a_job_that_succeeded_does_not_run_again_without_a_stage(world: World) -> None:
    job = world.accept()
    world.do(job, *STAGES)
    with pytest.raises(JobFinished, match="succeeded"):
        open_run(world, job)


def test_a_job_that_has_not_ended_does_not_run_again(world: World) -> None:
    queued, running = world.accept(), world.accept()
    world.hold(running)
    for job, state in ((queued, "queued"), (running, "running")):
        with pytest.raises(JobUnfinished, match=state):
            open_run(world, job, "fetch")


def test_a_job_that_is_not_there_does_not_run_again(world: World) -> None:
    job = failed_at(world, "fetch")
    for tenant_id, job_id in (("theirs", job.id), (TENANT, new_job().id), (TENANT, "nonsense")):
        with pytest.raises(JobNotFound):
            world.records.open_run(tenant_id, job_id, another())


def test_a_stage_of_another_pipeline_is_unknown(world: World) -> None:
    job = failed_at(world, "extract")
    with pytest.raises(UnknownStage, match=r"translate.*fetch, extract, store"):
        open_run(world, job, "translate")


def test_a_stage_whose_input_was_never_made_cannot_run(world: World) -> None:
    job = failed_at(world, "extract")
    before = world.read(job)
    with pytest.raises(InputExpired) as raised:
        open_run(world, job, "store")
    assert (raised.value.stage, raised.value.earliest) == ("store", "fetch")
    assert world.read(job) == before


def test_content_that_was_never_kept_cannot_be_read_again(world: World) -> None:
    job = world.accept(source=JobSource(name="gone.html"))
    world.fail(job)
    with pytest.raises(InputExpired) as raised:
        open_run(world, job)
    assert (raised.value.stage, raised.value.earliest) == ("fetch", None)


def test_work_of_an_earlier_run_is_over(world: World) -> None:
    job = world.accept()
    hold = world.hold(job)
    world.records.request_cancel(TENANT, job.id, START)
    open_run(world, job)
    before = world.read(job)
    refused = world.records.claim(key_of(job), owner="w", lease_s=LEASE_S, at=START)
    assert refused == Refused(Refusal.OVER)
    assert not world.records.complete(hold, output_of("fetch"), ended())
    assert not world.records.take_over(hold.key, message_id=MESSAGE, at=START)
    assert world.records.renew([hold], lease_s=LEASE_S).cancelled == {hold}
    assert world.read(job) == before


def test_what_a_run_took_over_is_made_again_when_it_is_lost(world: World) -> None:
    job = failed_at(world, "extract")
    open_run(world, job)
    lost = world.hold(job, "extract", run=2)
    assert world.records.lose_input(lost, BROKEN, claim_key=output_of("fetch").key, ended=ended())
    (suspect,) = world.records.unstarted(older_than_s=1000, limit=9)
    assert suspect.key == key_of(job, "fetch", run=2)
    world.do(job, *STAGES, run=2)
    assert world.read(job).state is JobState.SUCCEEDED


def test_a_second_run_is_kept_by_the_keeper(world: World) -> None:
    job = failed_at(world, "extract")
    open_run(world, job)
    assert world.records.unstarted(older_than_s=10, limit=9) == []
    world.pass_time(11)
    (suspect,) = world.records.unstarted(older_than_s=10, limit=9)
    assert (suspect.key, suspect.launches) == (key_of(job, "extract", run=2), 1)
    assert world.records.expire(at=START + timedelta(days=1, hours=1), limit=9) == 0
    assert world.records.expire(at=DEADLINE, limit=9) == 1
    assert world.records.job(TENANT, job.id, 1) is not None


def test_the_keeper_finds_a_run_on_the_lane_it_was_opened_on(world: World) -> None:
    replayed = world.accept(lane=Lane.URGENT)
    world.fail(replayed)
    world.records.open_run(TENANT, replayed.id, replace(another(), lane=Lane.BULK))
    new = world.accept()
    world.records.relaunch_all()
    found = world.records.unstarted(older_than_s=1000, limit=9)
    assert [(suspect.key.job_id, suspect.lane) for suspect in found] == [
        (new.id, Lane.NORMAL),
        (replayed.id, Lane.BULK),
    ]
    for job, run in ((replayed, 2), (new, 1)):
        world.claim(job, run=run)
    world.pass_time(LEASE_S + 1)
    assert [suspect.lane for suspect in world.records.lapsed(limit=9)] == [Lane.NORMAL, Lane.BULK]


def test_a_run_has_the_lane_of_its_job_unless_another_was_given(world: World) -> None:
    job = world.accept(lane=Lane.URGENT)
    world.fail(job)
    world.records.open_run(TENANT, job.id, replace(another(), lane=Lane.BULK))
    world.fail(job, run=2)
    open_run(world, job)
    assert [run.lane for run in world.records.runs(TENANT, job.id)] == [Lane.URGENT, Lane.BULK, Lane.URGENT]
    assert world.read(job).lane is Lane.URGENT


def test_one_of_two_who_want_another_run_gets_it(world: World) -> None:
    for _ in range(10):
        job = failed_at(world, "extract")
        answers = at_once(*[lambda: open_run(world, job)] * 2)  # noqa: B023
        assert sorted(type(answer).__name__ for answer in answers) == ["Job", "JobUnfinished"]
        assert world.read(job).run == 2
