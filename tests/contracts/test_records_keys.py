"""Records: idempotency keys, used once, found again, forgotten after a day."""

from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

import pytest

from pipeline.errors import AlreadyAnswered, IdempotencyKeyReused, JobNotFound, JobUnfinished
from pipeline.idempotency import IdempotencyKey
from pipeline.job import FIRST_RUN, Job, JobState, NewJob
from pipeline.ports import JobFilter
from pipeline.runs import NewRun
from tests.support.at_once import at_once
from tests.support.jobs import TENANT, World, new_job
from tests.support.tools import START

THREADS = 8
ROUNDS = 10
DAY = timedelta(days=1)
KEY = IdempotencyKey(TENANT, "!8e03978e~", sha256(b"a request").hexdigest())
OTHER_REQUEST = replace(KEY, fingerprint=sha256(b"another request").hexdigest())


def accepted(world: World, key: IdempotencyKey | None = KEY, **changes: object) -> NewJob:
    job = new_job(**changes)
    world.records.accept(job, key)
    return job


def failed(world: World, job: NewJob | None = None) -> NewJob:
    job = job or accepted(world, key=None)
    world.fail(job)
    return job


def rerun(world: World, job: NewJob, key: IdempotencyKey | None = KEY, at: datetime = START) -> Job:
    return world.records.open_run(TENANT, job.id, NewRun(None, None, deadline_at=START + DAY, at=at), key)


def all_jobs(world: World, tenant_id: str = TENANT) -> set[str]:
    return {job.id for job in world.records.jobs(tenant_id, JobFilter(), before=None, limit=99).items}


def assert_answered(refused: pytest.ExceptionInfo[AlreadyAnswered], job: NewJob, run: int) -> None:
    assert (refused.value.job_id, refused.value.run) == (job.id, run)


def test_a_key_that_was_not_used_is_free(world: World) -> None:
    accepted(world, key=None)
    world.records.check_key(KEY, START)


def test_a_used_key_names_the_job_and_no_other_is_recorded(world: World) -> None:
    job = accepted(world)
    with pytest.raises(AlreadyAnswered) as checked:
        world.records.check_key(KEY, START)
    assert_answered(checked, job, FIRST_RUN)
    with pytest.raises(AlreadyAnswered) as again:
        accepted(world)
    assert_answered(again, job, FIRST_RUN)
    assert all_jobs(world) == {job.id}
    assert world.read(job).state is JobState.QUEUED


def test_a_key_is_for_one_request(world: World) -> None:
    job = accepted(world)
    with pytest.raises(IdempotencyKeyReused, match=KEY.name):
        world.records.check_key(OTHER_REQUEST, START)
    with pytest.raises(IdempotencyKeyReused):
        accepted(world, OTHER_REQUEST)
    assert all_jobs(world) == {job.id}


def test_a_key_belongs_to_its_tenant_and_is_told_from_others_by_every_letter(world: World) -> None:
    ours = accepted(world)
    others = [replace(OTHER_REQUEST, name=name) for name in (KEY.name.upper(), KEY.name + "1", "k" * 255)]
    jobs = [accepted(world, key) for key in others]
    theirs = accepted(world, replace(OTHER_REQUEST, tenant_id="theirs"), tenant_id="theirs")
    assert all_jobs(world) == {job.id for job in (ours, *jobs)}
    assert all_jobs(world, "theirs") == {theirs.id}


def test_what_is_not_recorded_leaves_its_key_free(world: World) -> None:
    unfinished = accepted(world, key=None)
    with pytest.raises(JobUnfinished):
        rerun(world, unfinished)
    with pytest.raises(JobNotFound):
        rerun(world, new_job())
    world.records.check_key(OTHER_REQUEST, START)


def test_a_run_is_opened_once_for_a_key_and_found_again_whatever_came_of_it(world: World) -> None:
    job = failed(world)
    assert rerun(world, job).run == 2
    for _ in ("while it waits", "when it has failed"):
        with pytest.raises(AlreadyAnswered) as again:
            rerun(world, job)
        assert_answered(again, job, run=2)
        if world.read(job).state is JobState.QUEUED:
            world.fail(job, run=2)
    assert [run.run for run in world.records.runs(TENANT, job.id)] == [1, 2]
    with pytest.raises(IdempotencyKeyReused):
        rerun(world, job, OTHER_REQUEST)
    assert rerun(world, job, key=None).run == 3


def test_the_key_of_a_purged_job_still_names_it(world: World) -> None:
    job = failed(world, accepted(world))
    world.records.purge(TENANT, job.id)
    with pytest.raises(AlreadyAnswered) as again:
        accepted(world)
    assert_answered(again, job, FIRST_RUN)
    assert all_jobs(world) == set()


def test_a_key_counts_as_absent_after_a_day_and_can_be_used_for_something_else(world: World) -> None:
    first = accepted(world, created_at=START)
    with pytest.raises(IdempotencyKeyReused):
        accepted(world, OTHER_REQUEST, created_at=START + DAY - timedelta(microseconds=1))
    world.records.check_key(OTHER_REQUEST, START + DAY)
    second = accepted(world, OTHER_REQUEST, created_at=START + DAY)
    assert all_jobs(world) == {first.id, second.id}
    with pytest.raises(AlreadyAnswered) as again:
        world.records.check_key(OTHER_REQUEST, START + 2 * DAY - timedelta(microseconds=1))
    assert_answered(again, second, FIRST_RUN)


def test_old_keys_are_erased_a_few_at_a_time_the_oldest_first(world: World) -> None:
    ages = [replace(KEY, name=f"{number}") for number in range(4)]
    for hours, key in zip((3, 1, 2, 4), ages, strict=True):
        accepted(world, key, created_at=START + timedelta(hours=hours))
    at = START + DAY + timedelta(hours=3)
    assert world.records.forget_keys(START + DAY, limit=9) == 0
    assert world.records.forget_keys(at, limit=2) == 2
    assert [is_kept(world, key) for key in ages] == [True, False, False, True]
    assert world.records.forget_keys(at, limit=2) == 1
    assert world.records.forget_keys(at, limit=2) == 0
    assert [is_kept(world, key) for key in ages] == [False, False, False, True]


def is_kept(world: World, key: IdempotencyKey) -> bool:
    """Looked for at a moment when none of them is too old."""
    try:
        world.records.check_key(key, START)
    except AlreadyAnswered:
        return True
    return False


def test_of_many_requests_with_one_key_one_is_recorded_and_all_find_it(world: World) -> None:
    for number in range(ROUNDS):
        key = replace(KEY, name=f"{number}")
        jobs = [new_job() for _ in range(THREADS)]
        answers = at_once(*(lambda job=job: world.records.accept(job, key) for job in jobs))  # noqa: B023
        (winner,) = [job for job, answer in zip(jobs, answers, strict=True) if answer is True]
        others = [answer for answer in answers if answer is not True]
        assert {(type(answer), answer.job_id) for answer in others} == {(AlreadyAnswered, winner.id)}
        assert all_jobs(world) & {job.id for job in jobs} == {winner.id}


def test_an_old_key_is_used_anew_by_one_of_many(world: World) -> None:
    accepted(world, created_at=START)
    jobs = [new_job(created_at=START + DAY) for _ in range(THREADS)]
    answers = at_once(
        *(lambda job=job: world.records.accept(job, OTHER_REQUEST) for job in jobs),
        lambda: world.records.forget_keys(START + DAY, limit=9),
    )
    assert answers[:THREADS].count(True) == 1, answers
    assert len(all_jobs(world)) == 2
    assert is_kept(world, OTHER_REQUEST)


def test_of_many_reruns_with_one_key_one_is_opened_and_all_find_it(world: World) -> None:
    for number in range(ROUNDS):
        job, key = failed(world), replace(KEY, name=f"{number}")
        answers = at_once(*[lambda: rerun(world, job, key)] * THREADS)  # noqa: B023
        assert sum(isinstance(answer, Job) for answer in answers) == 1, answers
        found = {(answer.job_id, answer.run) for answer in answers if isinstance(answer, AlreadyAnswered)}
        assert found == {(job.id, 2)}
        assert sum(isinstance(answer, AlreadyAnswered) for answer in answers) == THREADS - 1, answers
