"""Records: which jobs a filter means, and dead letters."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from pipeline.errors import JobFinished, JobNotFound, JobUnfinished
from pipeline.job import JobSource, JobState, Lane, NewJob
from pipeline.ports import JobFilter
from pipeline.runs import NewRun
from pipeline.terms import JobTerms
from tests.support.jobs import BROKEN, STAGES, TENANT, World, ended, new_job, output_of
from tests.support.tools import START

LATER = START + timedelta(days=2)
DEAD_LETTERS = JobFilter(states=(JobState.FAILED,), discarded=False)


def listed(world: World, where: JobFilter) -> list[str]:
    page = world.records.jobs(TENANT, where, before=None, limit=99)
    assert world.records.count(TENANT, where) == len(page.items)
    return [job.id for job in page.items][::-1]


def at(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


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
    ({"states": (JobState.FAILED,)}, ["dns", "refused", "late"]),
    ({"states": (JobState.QUEUED,)}, ["queued"]),
    ({"code": "dns_failure"}, ["dns", "late"]),
    ({"stage": "extract"}, ["late"]),
    ({"stage": "fetch"}, ["queued", "running", "dns", "refused"]),
    ({"stage": "fetch", "states": (JobState.FAILED,)}, ["dns", "refused"]),
    ({"stage": "fetch", "states": (JobState.FAILED, JobState.RUNNING)}, ["running", "dns", "refused"]),
    ({"stage": "store"}, []),
    ({"stage": "fetch", "code": "dns_failure"}, ["dns"]),
    ({"code": "no_such_code"}, []),
    ({"created_after": START + timedelta(minutes=5)}, ["refused", "late"]),
    ({"created_before": START + timedelta(minutes=2)}, ["queued", "running"]),
    ({"created_after": START + timedelta(minutes=2), "created_before": START + timedelta(minutes=3)}, ["succeeded"]),
    ({"states": (JobState.SUCCEEDED,), "code": "dns_failure"}, []),
    ({"discarded": False}, ALL),
    ({"discarded": True}, []),
]


@pytest.mark.parametrize(("where", "meant"), MEANT)
def test_a_filter_means_the_jobs_for_which_all_of_it_holds(
    world: World, jobs: dict[str, NewJob], where: dict[str, Any], meant: list[str]
) -> None:
    assert listed(world, JobFilter(**where)) == [jobs[kind].id for kind in meant]


SITES = {
    "home": "https://example.org/",
    "old": "http://Example.org/news/2025",
    "new": "https://example.org/news/2026?q=%C3%A4",
    "port": "https://example.org:8443/News",
    "other": "https://example.com/news/2026",
    "under": "https://www.example.org/news",
    "odd": "no url at all, \x00 \U0001f30a",
    "long": "https://long.example/" + "ä" * 600,
}
FOUND: list[tuple[dict[str, Any], list[str]]] = [
    ({"host": "example.org"}, ["home", "old", "new", "port"]),
    ({"host": "example"}, []),
    ({"url": "example.org/news"}, ["old", "new"]),
    ({"url": "example.org/news/2026?q=%C3%A4"}, ["new"]),
    ({"url": "example."}, ["home", "old", "new", "port", "other"]),
    ({"url": "news"}, []),
    ({"url": "example_org"}, []),
    ({"url": "no url at all,  \U0001f30a"}, ["odd"]),
    ({"url": "long.example/" + "ä" * 499}, ["long"]),
    ({"url": "example", "host": "example.com"}, ["other"]),
    ({"tags": ("even",)}, ["home", "new", "other", "odd"]),
    ({"tags": ("even", "third")}, ["home", "odd"]),
    ({"tags": ("eve",)}, []),
    ({"tags": ("even",), "host": "example.org"}, ["home", "new"]),
    ({"pipeline": "analyze"}, ["old"]),
    ({"lane": Lane.BULK}, ["port"]),
    ({"stage": "fetch", "tags": ("third",)}, ["home", "port", "odd"]),
    ({"tags": ("even",), "created_after": at(3), "created_before": at(5)}, ["other"]),
    ({"url": "example.", "states": (JobState.QUEUED,), "created_before": at(2)}, ["home", "old"]),
]


@pytest.mark.parametrize(("where", "found"), FOUND)
def test_jobs_are_found_by_what_was_asked_for(world: World, where: dict[str, Any], found: list[str]) -> None:
    ids: dict[str, str] = {}
    for number, (name, url) in enumerate(SITES.items()):
        tags = (*(["even"] if number % 2 == 0 else []), *(["third"] if number % 3 == 0 else []))
        lane, pipeline = {"port": Lane.BULK}.get(name, Lane.NORMAL), {"old": "analyze"}.get(name, "extract")
        ids[name] = world.accept(
            created_at=at(number), source=JobSource(url=url), terms=JobTerms(tags), lane=lane, pipeline=pipeline
        ).id
    world.accept(source=JobSource(url=SITES["new"]), terms=JobTerms(("even", "third")), tenant_id="theirs")
    world.accept(
        created_at=at(99), source=JobSource(name="a.html"), pipeline="summarize", lane=Lane.URGENT, stages=("x",)
    )
    assert listed(world, JobFilter(**where)) == [ids[name] for name in found]


def test_more_jobs_of_a_site_than_are_looked_up_at_once_are_listed_newest_first(world: World) -> None:
    source, few = JobSource(url="https://example.org/"), 1000
    ids = [world.accept(source=source, created_at=START + timedelta(milliseconds=n)).id for n in range(few + 5)]
    for found in (ids, ids[:few]):
        where = JobFilter(url="example.org/", created_before=START + timedelta(milliseconds=len(found)))
        first = world.records.jobs(TENANT, where, before=None, limit=3)
        second = world.records.jobs(TENANT, where, before=first.last_id, limit=3)
        assert [job.id for job in (*first.items, *second.items)] == found[:-7:-1]


def test_jobs_in_one_of_several_states_are_listed_newest_first_in_pages(world: World, jobs: dict[str, NewJob]) -> None:
    where = JobFilter(states=(JobState.FAILED, JobState.QUEUED, JobState.CANCELLED))
    meant = [jobs[kind].id for kind in ("queued", "cancelled", "dns", "refused", "late")]
    assert listed(world, where) == meant
    first = world.records.jobs(TENANT, where, before=None, limit=2)
    second = world.records.jobs(TENANT, where, before=first.last_id, limit=3)
    assert [job.id for job in (*first.items, *second.items)] == meant[::-1]
    assert (first.more, second.more) == (True, False)


def test_a_job_is_found_at_the_stage_where_it_is_now(world: World) -> None:
    job = world.accept()
    places: list[str] = []

    def look() -> None:
        (place,) = (stage for stage in STAGES if listed(world, JobFilter(stage=stage)))
        places.append(place)

    look()
    world.do(job, "fetch")
    look()
    hold = world.hold(job, "extract")
    look()
    world.records.lose_input(hold, BROKEN, claim_key=output_of("fetch").key, ended=ended())
    look()
    world.fail(job, "fetch")
    look()
    world.records.open_run(TENANT, job.id, NewRun(None, None, deadline_at=LATER, at=LATER))
    world.do(job, "fetch", run=2)
    look()
    assert places == ["fetch", "extract", "extract", "fetch", "fetch", "extract"]
    world.do(job, "extract", "store", run=2)
    assert [listed(world, JobFilter(stage=stage)) for stage in STAGES] == [[], [], []]


def test_the_tags_of_a_purged_job_go_with_it(world: World) -> None:
    job = world.accept(terms=JobTerms(("a",)))
    world.records.request_cancel(TENANT, job.id, START)
    world.records.purge(TENANT, job.id)
    assert listed(world, JobFilter(tags=("a",))) == []


def test_filtered_jobs_are_listed_in_pages(world: World) -> None:
    failed = []
    for number in range(6):
        job = world.accept()
        if number % 2:
            world.fail(job)
            failed.append(job.id)
    first = world.records.jobs(TENANT, DEAD_LETTERS, before=None, limit=2)
    second = world.records.jobs(TENANT, DEAD_LETTERS, before=first.items[-1].id, limit=2)
    assert [job.id for job in (*first.items, *second.items)] == failed[::-1]
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
    assert listed(world, JobFilter(states=(JobState.FAILED,))) == [discarded.id, kept.id]


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
