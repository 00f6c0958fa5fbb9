"""Records: which jobs a filter means, and dead letters."""

from datetime import timedelta
from typing import Any

import pytest

from pipeline.errors import JobFinished, JobNotFound, JobUnfinished
from pipeline.job import JobState, NewJob
from pipeline.ports import JobFilter
from pipeline.runs import NewRun
from tests.support.jobs import STAGES, TENANT, World, new_job
from tests.support.tools import START

LATER = START + timedelta(days=2)
DEAD_LETTERS = JobFilter(state=JobState.FAILED, discarded=False)


def listed(world: World, where: JobFilter) -> list[str]:
    page = world.records.jobs(TENANT, where, before=None, limit=99)
    assert world.records.count(TENANT, where) == len(page.jobs)
    return [job.id for job in page.jobs][::-1]


@pytest.fixture
def jobs(world: World) -> dict[str, NewJob]:
    """One of each kind, a minute apart, and one of another tenant."""
    kinds = ("queued", "running", "succeeded", "cancelled", "dns", "refused", "late")
    jobs = {kind: world.accept(created_at=START + timedelta(minutes=at)) for at, kind in enumerate(kinds)}
    jobs |= {"theirs": world.accept(tenant_id="theirs")}
    world.hold(jobs["running"])
    world.do(jobs["succeeded"], *STAGES)
    world.records.request_cancel(TENANT, jobs["cancelled"].id, START)
    world.fail(jobs["dns"], code="dns_failure")
    world.fail(jobs["refused"], code="connection_refused")
    world.do(jobs["late"], "fetch")
    world.fail(jobs["late"], "extract", code="dns_failure")
    world.fail(jobs["theirs"], code="dns_failure")
    return jobs


ALL = ["queued", "running", "succeeded", "cancelled", "dns", "refused", "late"]
MEANT: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ALL),
    ({"state": JobState.FAILED}, ["dns", "refused", "late"]),
    ({"state": JobState.QUEUED}, ["queued"]),
    ({"code": "dns_failure"}, ["dns", "late"]),
    ({"stage": "extract"}, ["late"]),
    ({"stage": "fetch", "code": "dns_failure"}, ["dns"]),
    ({"code": "no_such_code"}, []),
    ({"created_after": START + timedelta(minutes=5)}, ["refused", "late"]),
    ({"created_before": START + timedelta(minutes=2)}, ["queued", "running"]),
    ({"created_after": START + timedelta(minutes=2), "created_before": START + timedelta(minutes=3)}, ["succeeded"]),
    ({"state": JobState.SUCCEEDED, "code": "dns_failure"}, []),
    ({"discarded": False}, ALL),
    ({"discarded": True}, []),
]


@pytest.mark.parametrize(("where", "meant"), MEANT)
def test_a_filter_means_the_jobs_for_which_all_of_it_holds(
    world: World, jobs: dict[str, NewJob], where: dict[str, Any], meant: list[str]
) -> None:
    assert listed(world, JobFilter(**where)) == [jobs[kind].id for kind in meant]


def test_filtered_jobs_are_listed_in_pages(world: World) -> None:
    failed = []
    for number in range(6):
        job = world.accept()
        if number % 2:
            world.fail(job)
            failed.append(job.id)
    first = world.records.jobs(TENANT, DEAD_LETTERS, before=None, limit=2)
    second = world.records.jobs(TENANT, DEAD_LETTERS, before=first.jobs[-1].id, limit=2)
    assert [job.id for job in (*first.jobs, *second.jobs)] == failed[::-1]
    assert (first.more, second.more) == (True, False)


def test_a_discarded_job_is_no_dead_letter(world: World) -> None:
    discarded, kept = world.accept(), world.accept()
    for job in (discarded, kept):
        world.fail(job)
    answer = world.records.discard(TENANT, discarded.id, LATER)
    assert answer == world.read(discarded)
    assert (answer.state, answer.discarded_at) == (JobState.FAILED, LATER)
    assert listed(world, DEAD_LETTERS) == [kept.id]
    assert listed(world, JobFilter(discarded=True)) == [discarded.id]
    assert listed(world, JobFilter(state=JobState.FAILED)) == [discarded.id, kept.id]


def test_discarding_twice_changes_nothing(world: World) -> None:
    job = world.accept()
    world.fail(job)
    first = world.records.discard(TENANT, job.id, LATER)
    assert world.records.discard(TENANT, job.id, LATER + timedelta(hours=1)) == first


def test_only_a_failed_job_is_discarded(world: World) -> None:
    queued, done, cancelled = (world.accept() for _ in range(3))
    world.do(done, *STAGES)
    world.records.request_cancel(TENANT, cancelled.id, START)
    for job, error in ((queued, JobUnfinished), (done, JobFinished), (cancelled, JobFinished)):
        before = world.read(job)
        with pytest.raises(error):
            world.records.discard(TENANT, job.id, LATER)
        assert world.read(job) == before


def test_what_is_not_there_is_not_discarded(world: World) -> None:
    job = world.accept()
    world.fail(job)
    for tenant_id, job_id in (("theirs", job.id), (TENANT, new_job().id), (TENANT, "nonsense")):
        with pytest.raises(JobNotFound):
            world.records.discard(tenant_id, job_id, LATER)


def test_a_job_that_runs_again_is_neither_discarded_nor_has_an_error(world: World) -> None:
    job = world.accept()
    world.fail(job)
    world.records.discard(TENANT, job.id, LATER)
    opened = world.records.open_run(TENANT, job.id, NewRun(None, None, deadline_at=LATER, at=LATER))
    assert opened.discarded_at is None
    assert listed(world, JobFilter(code="dns_failure")) == []
    world.fail(job, run=2)
    assert listed(world, DEAD_LETTERS) == [job.id]
    earlier = world.records.job(TENANT, job.id, run=1)
    assert earlier is not None
    assert earlier.discarded_at is None
