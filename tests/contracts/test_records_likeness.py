"""Records: which job has done the same."""

from dataclasses import replace
from datetime import timedelta

from pipeline.job import JobSource, NewJob
from pipeline.runs import NewRun
from stages.contract import Options
from tests.support.jobs import STAGES, TENANT, World
from tests.support.tools import START

SOON = START + timedelta(seconds=5)
LATER = START + timedelta(seconds=8)


def found(world: World, job: NewJob, after_s: float = 0, tenant_id: str = TENANT) -> str | None:
    done = world.records.done_before(tenant_id, job.likeness, START + timedelta(seconds=after_s))
    return done and done.id


def test_the_latest_that_succeeded_in_time_is_found(world: World) -> None:
    first, second, unfinished = (world.accept() for _ in range(3))
    assert found(world, unfinished) is None
    world.do(second, *STAGES, at=SOON)
    world.do(first, *STAGES, at=LATER)
    assert found(world, unfinished) == first.id
    assert found(world, unfinished, after_s=8) == first.id
    assert found(world, unfinished, after_s=60) is None


def test_those_that_failed_or_were_cancelled_or_are_others_are_not(world: World) -> None:
    failed, cancelled, theirs = world.accept(), world.accept(), world.accept(tenant_id="theirs")
    world.fail(failed)
    world.records.request_cancel(TENANT, cancelled.id, SOON)
    world.do(theirs, *STAGES, at=SOON)
    assert found(world, failed) is None
    assert found(world, failed, tenant_id="theirs") == theirs.id


def test_one_that_runs_or_ran_again_is_not(world: World) -> None:
    job = world.accept()
    world.do(job, *STAGES, at=SOON)
    assert found(world, job) == job.id
    again = NewRun("store", None, deadline_at=START + timedelta(days=1), at=LATER)
    run = world.records.open_run(TENANT, job.id, again)
    assert run.run == 2
    assert found(world, job) is None


def test_what_is_alike_reads_the_same_and_does_the_same_to_it(world: World) -> None:
    job = world.accept()
    alike = replace(job, id="other", tenant_id="theirs", created_at=LATER, pipeline="named-otherwise")
    assert alike.likeness == job.likeness
    others = [
        replace(job, stages=job.stages[:-1]),
        replace(job, options=Options(processing="detailed")),
        replace(job, source=JobSource(url="https://example.org/other")),
        replace(job, source=replace(job.source, content_type="text/plain")),
        replace(job, source=replace(job.source, name="a.md")),
    ]
    assert len({job.likeness, *(other.likeness for other in others)}) == 1 + len(others)
