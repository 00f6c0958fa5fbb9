"""Records: of two that want the same thing at the same time, one wins and all tables agree on who."""

from itertools import chain

import pytest

from pipeline.errors import JobFinished
from pipeline.ids import Hold
from pipeline.job import Job, JobState, StageState
from pipeline.work import Grant
from tests.support.at_once import at_once
from tests.support.jobs import BROKEN, LEASE_S, STAGES, TENANT, World, ended, key_of, output_of
from tests.support.tools import START

ROUNDS = 15


def assert_agrees(job: Job) -> None:
    """A job that is over has no stage and no attempt that is not."""
    assert job.state.is_terminal
    assert all(stage.state.is_terminal for stage in job.stages)
    assert all(attempt.outcome for stage in job.stages for attempt in stage.tries)


def test_one_of_many_claims_wins(world: World) -> None:
    for _ in range(ROUNDS):
        key = key_of(world.accept())
        claims = [lambda: world.records.claim(key, owner="worker", lease_s=LEASE_S, at=START)] * 4  # noqa: B023
        answers = at_once(*claims)
        assert sum(isinstance(answer, Grant) for answer in answers) == 1, answers


def test_either_the_last_stage_completes_or_the_job_is_cancelled(world: World) -> None:
    for _ in range(ROUNDS):
        job = world.accept()
        world.do(job, "fetch", "extract")
        hold = world.hold(job, "store")
        completed, cancelled = at_once(
            lambda: world.records.complete(hold, output_of("store"), ended()),  # noqa: B023
            lambda: world.records.request_cancel(TENANT, job.id, START),  # noqa: B023
        )
        read = world.read(job)
        assert_agrees(read)
        if completed is True:
            assert isinstance(cancelled, JobFinished), cancelled
            assert (read.state, read.result) == (JobState.SUCCEEDED, output_of("store"))
        else:
            assert completed is False, completed
            assert isinstance(cancelled, Job), cancelled
            assert (read.state, read.result) == (JobState.CANCELLED, None)


@pytest.mark.parametrize("stage", ["fetch", "extract"])
def test_a_cancelled_job_stays_so_whatever_its_stage_does_meanwhile(world: World, stage: str) -> None:
    for _ in range(ROUNDS):
        job = world.accept()
        world.do(job, *STAGES[: STAGES.index(stage)])
        hold = world.hold(job, stage)
        answers = at_once(
            lambda: world.records.complete(hold, output_of(stage), ended()),  # noqa: B023
            lambda: world.records.release(hold, BROKEN, delay_s=0, spends=True, ended=ended()),  # noqa: B023
            lambda: world.records.renew([hold], lease_s=LEASE_S),  # noqa: B023
            lambda: world.records.request_cancel(TENANT, job.id, START),  # noqa: B023
        )
        assert not any(isinstance(answer, Exception) for answer in answers), answers
        assert [answers[0], answers[1]].count(True) <= 1
        read = world.read(job)
        assert_agrees(read)
        assert read.state is JobState.CANCELLED


def test_a_lapsed_stage_goes_to_one_of_its_worker_and_the_keepers(world: World) -> None:
    for _ in range(ROUNDS):
        job = world.accept()
        suspect = world.lapse(job)
        hold = Hold(suspect.key, suspect.epoch)
        answers = at_once(
            lambda: world.records.complete(hold, output_of("fetch"), ended()),  # noqa: B023
            lambda: world.records.reclaim(suspect, at=START),  # noqa: B023
            lambda: world.records.reclaim(suspect, at=START),  # noqa: B023
        )
        assert answers.count(True) == 1, answers
        assert world.stage(job).state is (StageState.SUCCEEDED if answers[0] else StageState.READY)


def test_a_stage_is_relaunched_by_one_of_two_keepers(world: World) -> None:
    for _ in range(ROUNDS):
        job = world.accept()
        world.pass_time(11)
        suspects = world.records.unstarted(older_than_s=10, limit=100)
        suspect = next(suspect for suspect in suspects if suspect.key.job_id == job.id)
        assert sorted(at_once(*[lambda: world.records.relaunch(suspect)] * 2)) == [False, True]  # noqa: B023
        assert world.stage(job).launches == 2


def test_renewing_many_while_their_jobs_end_never_waits_in_a_circle(world: World) -> None:
    for _ in range(ROUNDS):
        jobs = [world.accept(deadline_at=START) for _ in range(6)]
        holds = [world.hold(job) for job in jobs]
        answers = at_once(
            lambda: world.records.renew(holds, lease_s=LEASE_S),  # noqa: B023
            lambda: world.records.renew(holds[::-1], lease_s=LEASE_S),  # noqa: B023
            lambda: world.records.expire(at=START, limit=100),
            lambda: world.records.expire(at=START, limit=100),
            lambda: [world.records.request_cancel(TENANT, job.id, START) for job in jobs[:2]],  # noqa: B023
        )
        assert not any(isinstance(answer, Exception) for answer in answers[:4]), answers
        cancelled = sum(world.read(job).state is JobState.CANCELLED for job in jobs)
        assert answers[2] + answers[3] == len(jobs) - cancelled
        for job in jobs:
            assert_agrees(world.read(job))


def test_a_reader_never_sees_a_job_half_changed(world: World) -> None:
    jobs = [world.accept(stages=("store",)) for _ in range(ROUNDS)]
    holds = [world.hold(job, "store") for job in jobs]

    def complete_all() -> None:
        for hold in holds:
            assert world.records.complete(hold, output_of("store"), ended())

    def read_until_done() -> list[Job]:
        seen: list[Job] = []
        for job in jobs:
            while not seen or seen[-1].id != job.id or not seen[-1].state.is_terminal:
                seen.append(world.read(job))
        return seen

    _, *seen = at_once(complete_all, read_until_done, read_until_done)
    for job in chain.from_iterable(seen):
        states = {job.state.value, *(stage.state.value for stage in job.stages)}
        assert len(states) == 1, states
        assert (job.stages[0].tries[0].outcome is None) == (job.state is JobState.RUNNING)
