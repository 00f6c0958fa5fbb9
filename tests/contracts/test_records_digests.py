"""Records: a batch has one digest, made when its last job has ended."""

from typing import Any

import pytest

from pipeline.batches import Batch, BatchKey, BatchState
from pipeline.errors import TooManyJobs
from pipeline.job import JobState
from pipeline.sources import BatchProblem
from pipeline.tenants import Allowance
from tests.support.at_once import at_once
from tests.support.batches import admitted, chunk_of, full_batch, jobs_of, open_batch, read_batch
from tests.support.jobs import STAGES, World, new_job
from tests.support.tools import START

ORDER = {"pipeline": "summarize", "lane": "bulk"}


@pytest.fixture
def records(world: World) -> Any:
    return world.records


def key_of(batch: Batch) -> BatchKey:
    return BatchKey(batch.tenant_id, batch.id)


def done_batch(world: World, records: Any, number: int = 2) -> Batch:
    batch, jobs = full_batch(records, number, digest_order=ORDER)
    admitted(records, batch)
    for job in jobs:
        assert records.due_digests(limit=5) == []
        world.do(job, *STAGES)
    return read_batch(records, batch)


def test_a_digest_is_due_when_the_last_job_has_ended(world: World, records: Any) -> None:
    batch = done_batch(world, records)
    assert records.due_digests(limit=5) == [key_of(batch)]
    assert (batch.digest_order, batch.digest_job_id, batch.awaits_digest) == (ORDER, None, True)
    assert (batch.state(START), batch.is_over(START)) == (BatchState.RUNNING, False)


def test_none_is_due_where_none_was_asked_for_or_items_may_come(world: World, records: Any) -> None:
    batch, (job,) = full_batch(records, 1)
    admitted(records, batch)
    world.do(job, *STAGES)
    cut = open_batch(records, digest_order=ORDER)
    (one,) = jobs_of(cut, 1)
    records.accept_many(cut, chunk_of([one]))
    records.cut_off(cut)
    admitted(records, cut)
    world.do(one, *STAGES)
    assert records.due_digests(limit=5) == []
    assert read_batch(records, cut).is_over(START)


def test_it_is_recorded_once_and_waited_for(world: World, records: Any) -> None:
    batch = done_batch(world, records)
    job = new_job(tenant_id=batch.tenant_id)
    assert records.record_digest(key_of(batch), job) is not None
    assert records.record_digest(key_of(batch), new_job()) is None
    assert records.due_digests(limit=5) == []
    found = read_batch(records, batch)
    assert (found.digest_job_id, found.digest_state, found.counts) == (job.id, JobState.QUEUED, {"succeeded": 2})
    assert not found.is_over(START)
    world.do(job, *STAGES)
    done = read_batch(records, batch)
    assert (done.digest_state, done.state(START), done.is_over(START)) == (
        JobState.SUCCEEDED,
        BatchState.FINISHED,
        True,
    )
    records.purge(job.tenant_id, job.id)
    assert read_batch(records, batch).is_over(START)
    assert records.due_digests(limit=5) == []


def test_of_two_that_record_it_one_does(world: World, records: Any) -> None:
    batch = done_batch(world, records)
    jobs = [new_job(tenant_id=batch.tenant_id) for _ in range(2)]
    done = at_once(*(lambda job=job: records.record_digest(key_of(batch), job) for job in jobs))
    assert [each is None for each in done].count(True) == 1
    kept = [job.id for job in jobs if records.job(job.tenant_id, job.id)]
    assert kept == [read_batch(records, batch).digest_job_id]


def test_a_job_that_the_tenant_may_not_have_leaves_it_due(world: World, records: Any) -> None:
    batch = done_batch(world, records)
    with pytest.raises(TooManyJobs):
        records.record_digest(key_of(batch), new_job(), Allowance(jobs_in_flight=0))
    assert records.due_digests(limit=5) == [key_of(batch)]


def test_a_batch_without_results_says_so(world: World, records: Any) -> None:
    batch = done_batch(world, records)
    problem = BatchProblem("nothing_to_digest", "none")
    records.refuse_digest(key_of(batch), problem)
    found = read_batch(records, batch)
    assert (found.digest_problem, found.is_over(START)) == (problem, True)
    assert records.record_digest(key_of(batch), new_job()) is None


def test_cancelling_ends_a_digest_or_keeps_it_from_being_made(world: World, records: Any) -> None:
    early, late = done_batch(world, records), None
    records.cancel_batch(early.tenant_id, early.id, START)
    assert records.due_digests(limit=5) == []
    assert records.record_digest(key_of(early), new_job()) is None
    records.end_cancelling(early.id)
    assert read_batch(records, early).state(START) is BatchState.CANCELLED
    late = done_batch(world, records)
    job = new_job(tenant_id=late.tenant_id)
    records.record_digest(key_of(late), job)
    records.cancel_batch(late.tenant_id, late.id, START)
    (work,) = records.cancelling_batches()
    assert records.unended_of(work, limit=5) == [job.id]
