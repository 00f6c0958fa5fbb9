"""Records: forgetting what is older than it has to be kept."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline.errors import InputExpired, JobNotFound, JobUnfinished
from pipeline.ids import Claim
from pipeline.job import JobSource, JobState, NewJob
from pipeline.ports import JobFilter, Retention
from pipeline.runs import NewRun
from pipeline.work import Refusal, Refused
from tests.support.at_once import at_once
from tests.support.jobs import LEASE_S, STAGES, TENANT, World, ended, key_of, new_job, output_of
from tests.support.tools import START

DAY_S = 24 * 3600.0
OLDER = Retention(results_s=30 * DAY_S, intermediates_s=2 * DAY_S, dead_letters_s=10 * DAY_S)
BODY = Claim("default/j/1/source.0-ab", "ab" * 32, 5, "text/html")


def after(days: float) -> timedelta:
    """This long after the jobs below ended."""
    return timedelta(days=days, seconds=3)


def succeeded(world: World, ended_days: float = 0, **changes: object) -> NewJob:
    job = world.accept(**changes)
    world.do(job, *STAGES, at=START + timedelta(days=ended_days))
    return job


def again(world: World, job: NewJob, from_stage: str | None = None, days: float = 0) -> None:
    new = NewRun(from_stage, None, deadline_at=START + timedelta(days=99), at=START + timedelta(days=days))
    world.records.open_run(TENANT, job.id, new)


def forget(world: World, days: float = 2, limit: int = 9) -> set[str]:
    claims = world.records.expire_payloads(START + after(days), OLDER, limit)
    keys = {claim.key for claim in claims}
    assert len(keys) == len(claims)
    return keys


def keys(*stages: str) -> set[str]:
    return {output_of(stage).key for stage in stages}


# outputs


def test_intermediate_outputs_are_forgotten_and_the_result_is_kept(world: World) -> None:
    job = succeeded(world, source=JobSource(body=BODY, name="page.html"))
    assert forget(world, days=1.9) == set()
    assert forget(world) == keys("fetch", "extract") | {BODY.key}
    read = world.read(job)
    assert [stage.claim for stage in read.stages] == [None, None, output_of("store")]
    assert (read.result, read.source) == (output_of("store"), JobSource(name="page.html"))
    assert forget(world) == set()


def test_only_jobs_that_succeeded_are_forgotten(world: World) -> None:
    queued, failed, cancelled = jobs = [world.accept() for _ in range(3)]
    for job in jobs:
        world.do(job, "fetch")
    world.fail(failed, "extract")
    world.records.request_cancel(TENANT, cancelled.id, START)
    assert forget(world, days=99) == set()
    assert {world.stage(job).claim for job in (queued, failed, cancelled)} == {output_of("fetch")}


def test_no_more_jobs_are_forgotten_at_once_than_asked_for_the_oldest_first(world: World) -> None:
    newer, older = succeeded(world, ended_days=1), succeeded(world)
    assert forget(world, days=9, limit=1) == keys("fetch", "extract")
    assert (world.stage(older).claim, world.stage(newer).claim) == (None, output_of("fetch"))
    assert forget(world, days=9, limit=1)
    assert world.stage(newer).claim is None


def test_what_two_runs_share_is_forgotten_once_in_both_and_every_result_is_kept(world: World) -> None:
    job = succeeded(world)
    again(world, job, "store")
    world.do(job, "store", run=2)
    assert forget(world) == keys("fetch", "extract")
    for run in (1, 2):
        view = world.records.job(TENANT, job.id, run)
        assert view is not None
        assert [stage.claim for stage in view.stages] == [None, None, output_of("store")]
        assert view.result == output_of("store")


def test_nothing_of_a_job_that_runs_again_is_forgotten(world: World) -> None:
    job = succeeded(world)
    again(world, job, "store")
    assert forget(world, days=99) == set()
    assert world.claim(job, "store", run=2).input == output_of("extract")


def test_the_next_run_is_forgotten_too(world: World) -> None:
    job = succeeded(world)
    forget(world)
    again(world, job, "fetch", days=5)
    world.do(job, *STAGES, run=2, at=START + timedelta(days=5))
    assert forget(world, days=6) == set()
    assert forget(world, days=7) == keys("fetch", "extract")


def test_a_stage_whose_input_is_forgotten_cannot_run_again(world: World) -> None:
    job = succeeded(world)
    forget(world)
    with pytest.raises(InputExpired) as raised:
        again(world, job, "store")
    assert (raised.value.stage, raised.value.earliest) == ("store", "fetch")
    again(world, job, "fetch")


def test_a_job_whose_content_is_forgotten_cannot_run_again(world: World) -> None:
    job = succeeded(world, source=JobSource(body=BODY))
    forget(world)
    with pytest.raises(InputExpired) as raised:
        again(world, job, "fetch")
    assert raised.value.earliest is None


def test_a_late_message_for_a_forgotten_stage_changes_nothing(world: World) -> None:
    job = succeeded(world)
    forget(world)
    before = world.read(job)
    refused = world.records.claim(key_of(job), owner="w", lease_s=LEASE_S, at=START)
    assert refused == Refused(Refusal.FINISHED, claim=None)
    assert world.read(job) == before


def test_a_job_is_either_forgotten_or_runs_again(world: World) -> None:
    for _ in range(10):
        job = succeeded(world)
        forgotten, opened = at_once(lambda: forget(world), lambda: again(world, job, "store"))  # noqa: B023
        read = world.read(job)
        if isinstance(opened, InputExpired):
            assert (forgotten, read.run) == (keys("fetch", "extract"), 1)
        else:
            assert (forgotten, opened, read.stages[0].claim) == (set(), None, output_of("fetch"))
            world.records.request_cancel(TENANT, job.id, START)


# jobs


def expired(world: World, days: float, limit: int = 9) -> list[str]:
    found = world.records.expired_jobs(START + after(days), OLDER, limit)
    assert {tenant_id for tenant_id, _ in found} <= {TENANT}
    return [job_id for _, job_id in found]


def test_finished_jobs_expire_by_how_they_ended(world: World) -> None:
    queued, running, failed, cancelled = (world.accept() for _ in range(4))
    done = succeeded(world)
    world.hold(running)
    world.fail(failed)
    world.records.request_cancel(TENANT, cancelled.id, START)
    assert expired(world, days=9) == []
    assert set(expired(world, days=10)) == {failed.id, cancelled.id}
    assert set(expired(world, days=30)) == {failed.id, cancelled.id, done.id}
    assert len(expired(world, days=30, limit=2)) == 2
    assert queued.id not in expired(world, days=999)


def test_those_that_ended_first_expire_first(world: World) -> None:
    jobs = [succeeded(world, ended_days=days) for days in (2, 0, 1)]
    assert expired(world, days=99) == [jobs[1].id, jobs[2].id, jobs[0].id]
    assert expired(world, days=99, limit=1) == [jobs[1].id]


def finish(world: World, job: NewJob) -> None:
    world.do(job, "fetch")
    world.fail(job, "extract")


def cancel(world: World, job: NewJob) -> None:
    world.hold(job)
    world.records.request_cancel(TENANT, job.id, START)


def run_twice(world: World, job: NewJob) -> None:
    finish(world, job)
    again(world, job)
    world.do(job, "extract", "store", run=2)


@pytest.mark.parametrize("end", [finish, cancel, run_twice])
def test_a_purged_job_is_gone_with_all_its_runs(world: World, end: Callable[[World, NewJob], None]) -> None:
    job, other = world.accept(), world.accept()
    end(world, job)
    end(world, other)
    before = world.read(job), world.read(other)
    assert world.records.purge(TENANT, job.id) == before[0]
    assert world.records.job(TENANT, job.id) is None
    assert world.records.runs(TENANT, job.id) == ()
    assert world.records.count(TENANT, JobFilter()) == 1
    assert world.read(other) == before[1]
    refused = world.records.claim(key_of(job), owner="w", lease_s=LEASE_S, at=START)
    assert refused == Refused(Refusal.OVER)
    with pytest.raises(JobNotFound):
        world.records.purge(TENANT, job.id)


def test_a_job_that_has_not_ended_is_not_purged(world: World) -> None:
    queued, running = world.accept(), world.accept()
    world.hold(running)
    for job in (queued, running):
        with pytest.raises(JobUnfinished):
            world.records.purge(TENANT, job.id)
        assert not world.read(job).state.is_terminal


def test_a_job_of_another_tenant_is_not_purged(world: World) -> None:
    job = succeeded(world)
    for tenant_id, job_id in (("theirs", job.id), (TENANT, new_job().id), (TENANT, "nonsense")):
        with pytest.raises(JobNotFound):
            world.records.purge(tenant_id, job_id)
    assert world.read(job).state is JobState.SUCCEEDED


def test_a_job_is_either_purged_or_runs_again(world: World) -> None:
    for _ in range(10):
        job = world.accept()
        world.fail(job)
        purged, opened = at_once(lambda: world.records.purge(TENANT, job.id), lambda: again(world, job))  # noqa: B023
        if isinstance(purged, JobUnfinished):
            assert (opened, world.read(job).run) == (None, 2)
        else:
            assert isinstance(opened, JobNotFound)


def purge_expired(world: World, job: NewJob, days: float) -> bool:
    return world.records.purge_expired(job.id, START + after(days), OLDER)


@pytest.mark.parametrize(("end", "kept_days"), [(finish, 10), (cancel, 10), (run_twice, 30)])
def test_an_expired_job_is_erased_when_its_time_is_over(
    world: World, end: Callable[[World, NewJob], None], kept_days: float
) -> None:
    job, other = world.accept(), world.accept()
    end(world, job)
    assert not purge_expired(world, job, kept_days - 1)
    assert purge_expired(world, job, kept_days)
    assert world.records.job(TENANT, job.id) is None
    assert world.records.runs(TENANT, job.id) == ()
    assert not purge_expired(world, job, kept_days)
    assert not purge_expired(world, other, 999)
    assert world.read(other).state is JobState.QUEUED


def test_a_job_that_was_found_and_then_ran_again_is_kept(world: World) -> None:
    job = world.accept()
    finish(world, job)
    assert expired(world, days=10) == [job.id]
    again(world, job, days=10)
    assert not purge_expired(world, job, 10)
    world.do(job, "extract", "store", run=2, at=START + timedelta(days=10))
    assert not purge_expired(world, job, 10)
    assert not purge_expired(world, job, 39)
    assert purge_expired(world, job, 40)


def test_an_expired_job_is_either_erased_or_runs_again(world: World) -> None:
    for _ in range(10):
        job = world.accept()
        world.fail(job)
        erased, opened = at_once(lambda: purge_expired(world, job, 10), lambda: again(world, job))  # noqa: B023
        if erased is True:
            assert isinstance(opened, JobNotFound)
        else:
            assert (erased, opened, world.read(job).run) == (False, None, 2)


# orphans


def test_of_many_names_those_of_jobs_are_known(world: World) -> None:
    jobs = {world.accept().id, world.accept(tenant_id="theirs").id}
    strangers = {new_job().id for _ in range(1200)} | {"nonsense", "", "\x00", "check-1-2"}
    assert world.records.known_jobs(jobs | strangers) == jobs
    assert world.records.known_jobs([]) == set()
    assert world.records.known_jobs([next(iter(jobs)).upper()]) == set()


def test_the_end_of_what_lost_its_worker_counts_too(world: World) -> None:
    job = world.accept(deadline_at=START)
    hold = world.hold(job)
    assert world.records.expire(at=START + ended().at.resolution, limit=9) == 1
    assert expired(world, days=10) == [job.id]
    assert not world.records.complete(hold, output_of("fetch"), ended())
