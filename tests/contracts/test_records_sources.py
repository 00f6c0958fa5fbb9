"""Records: batches whose items come of sources, which are read by jobs and taken step by step."""

from datetime import date, timedelta
from typing import Any

import pytest

from pipeline.batches import Batch, BatchState, Chunk
from pipeline.errors import BatchCancelled, BatchReceiving, TooManyJobs
from pipeline.job import JobState, NewJob
from pipeline.sources import SOURCES_AT_ONCE, BatchProblem, SourceKey, SourcePlan, SourceState, Taken
from pipeline.tenants import Allowance
from tests.support.at_once import at_once
from tests.support.batches import chunk_of, jobs_of, open_batch, read_batch
from tests.support.jobs import STAGES, World, new_job
from tests.support.tools import START

URL = "https://example.org/sitemap.xml"
PLAN = SourcePlan(URL, 100, date(2026, 1, 31), {"url": URL, "pipeline": "extract"})


@pytest.fixture
def records(world: World) -> Any:
    return world.records


@pytest.fixture
def batch(records: Any) -> Batch:
    return open_batch(records, plan=PLAN)


def key_of(batch: Batch, position: int = 0) -> SourceKey:
    return SourceKey(batch.tenant_id, batch.id, position)


def start(records: Any, batch: Batch, position: int = 0) -> NewJob:
    job = new_job(tenant_id=batch.tenant_id)
    assert records.start_source(key_of(batch, position), job) is not None
    return job


def step(batch: Batch, seen: int, **changes: Any) -> Taken:
    values = {"key": key_of(batch), "seen_before": 0, "seen": seen, "state": SourceState.TAKEN, "at": START}
    return Taken(**{**values, **changes})


def chunk(batch: Batch, number: int, first: int = 0) -> Chunk:
    return chunk_of(jobs_of(batch, number, first), first)


def states(records: Any, batch: Batch) -> list[str]:
    return [str(source.state) for source in read_batch(records, batch).sources]


def test_a_batch_begins_with_its_source(records: Any, batch: Batch) -> None:
    assert batch.plan == PLAN
    assert [(each.position, each.url, each.depth, each.state) for each in batch.sources] == [(0, URL, 0, "waiting")]
    assert batch.state(START + timedelta(days=1)) is BatchState.EXPANDING
    assert not batch.is_over(START)
    assert read_batch(records, batch) == batch
    (listed,) = records.batches(batch.tenant_id, before=None, limit=5).items
    assert (listed.plan, listed.sources) == (PLAN, ())
    assert records.waiting_sources() == [key_of(batch)]
    assert records.ended_sources(limit=5) == []


def test_a_batch_with_its_items_has_no_source(records: Any) -> None:
    plain = open_batch(records)
    assert (plain.plan, plain.sources) == (None, ())
    assert records.waiting_sources() == []


def test_the_job_of_a_source_is_accepted_once_and_is_none_of_the_batch(
    world: World, records: Any, batch: Batch
) -> None:
    job = start(records, batch)
    assert records.start_source(key_of(batch), new_job()) is None
    found = read_batch(records, batch)
    assert (found.sources[0].state, found.sources[0].job_id) == (SourceState.READING, job.id)
    assert (found.counts, found.accepted) == ({}, 0)
    assert world.read(job).state is JobState.QUEUED
    assert records.waiting_sources() == []
    assert records.ended_sources(limit=5) == []
    world.do(job, *STAGES)
    assert records.ended_sources(limit=5) == [key_of(batch)]


def test_a_source_whose_job_was_erased_counts_as_read(world: World, records: Any, batch: Batch) -> None:
    job = start(records, batch)
    world.do(job, *STAGES)
    records.purge(job.tenant_id, job.id)
    assert records.ended_sources(limit=5) == [key_of(batch)]


def test_a_job_that_the_tenant_may_not_have_leaves_its_source_waiting(records: Any, batch: Batch) -> None:
    with pytest.raises(TooManyJobs):
        records.start_source(key_of(batch), new_job(), Allowance(jobs_in_flight=0))
    assert states(records, batch) == ["waiting"]


def test_entries_are_taken_step_by_step(records: Any, batch: Batch) -> None:
    start(records, batch)
    records.take_entries(batch, step(batch, 3, state=SourceState.READING), chunk(batch, 2))
    found = read_batch(records, batch)
    assert (found.received, found.counts, found.sealed_at) == (2, {"queued": 2}, None)
    assert (found.sources[0].seen, found.sources[0].found) == (3, 2)
    problem = BatchProblem("too_many_sources", "more")
    last = step(batch, 5, seen_before=3, at=START + timedelta(seconds=9), problem=problem)
    records.take_entries(found, last, chunk(batch, 1, first=2))
    done = read_batch(records, batch)
    assert (done.received, done.sealed_at) == (3, START + timedelta(seconds=9))
    assert (done.sources[0].seen, done.sources[0].found, done.sources[0].problem) == (5, 3, problem)
    assert done.state(START) is BatchState.RUNNING


def test_a_step_is_taken_once(records: Any, batch: Batch) -> None:
    start(records, batch)
    records.take_entries(batch, step(batch, 3, state=SourceState.READING), chunk(batch, 2))
    for again in (step(batch, 3), step(batch, 4, seen_before=2)):
        with pytest.raises(BatchReceiving):
            records.take_entries(batch, again, chunk(batch, 2, first=2))
    with pytest.raises(BatchReceiving):
        records.take_entries(batch, step(batch, 4, seen_before=3), chunk(batch, 2))
    found = read_batch(records, batch)
    assert (found.received, found.sources[0].seen, found.counts) == (2, 3, {"queued": 2})


def test_of_two_that_take_the_same_step_one_does(records: Any, batch: Batch) -> None:
    start(records, batch)

    def take() -> bool:
        try:
            records.take_entries(batch, step(batch, 2), chunk(batch, 2))
        except BatchReceiving:
            return False
        return True

    assert sorted(at_once(take, take)) == [False, True]
    assert read_batch(records, batch).counts == {"queued": 2}


def test_nested_sources_are_read_in_turn_and_the_last_one_seals(records: Any, batch: Batch) -> None:
    start(records, batch)
    nested = tuple(f"{URL}/{n}" for n in range(SOURCES_AT_ONCE + 2))
    records.take_entries(batch, step(batch, 10, nested=nested), None)
    found = read_batch(records, batch)
    assert [(each.position, each.url, each.depth) for each in found.sources[1:]] == [
        (n, url, 1) for n, url in enumerate(nested, 1)
    ]
    assert found.sealed_at is None
    for position in range(1, SOURCES_AT_ONCE + 1):
        assert records.waiting_sources() == [key_of(batch, position)]
        start(records, batch, position)
    assert records.waiting_sources() == []
    for position in range(1, len(nested) + 1):
        if position > SOURCES_AT_ONCE:
            start(records, batch, position)
        assert read_batch(records, batch).sealed_at is None
        failed = BatchProblem("http_not_found", "gone")
        key = key_of(batch, position)
        records.take_entries(batch, step(batch, 0, key=key, state=SourceState.FAILED, problem=failed), None)
    done = read_batch(records, batch)
    assert (done.sealed_at, done.is_over(START)) == (START, True)
    assert set(states(records, batch)[1:]) == {"failed"}


def test_a_full_batch_leaves_the_other_sources_out(records: Any, batch: Batch) -> None:
    start(records, batch)
    records.take_entries(batch, step(batch, 2, nested=(f"{URL}/1", f"{URL}/2")), None)
    start(records, batch, 1)
    records.take_entries(batch, step(batch, 4, key=key_of(batch, 1), is_full=True), chunk(batch, 2))
    assert states(records, batch) == ["taken", "taken", "left_out"]
    assert read_batch(records, batch).sealed_at == START
    assert records.waiting_sources() == []


def test_a_cancelled_batch_takes_nothing_more_and_its_source_jobs_are_found(records: Any, batch: Batch) -> None:
    job = start(records, batch)
    cancelled = records.cancel_batch(batch.tenant_id, batch.id, START)
    assert (cancelled.state(START), states(records, batch)) == (BatchState.CANCELLING, ["left_out"])
    (work,) = records.cancelling_batches()
    assert records.unended_of(work, limit=5) == [job.id]
    with pytest.raises(BatchCancelled):
        records.take_entries(batch, step(batch, 2), chunk(batch, 2))
    assert records.start_source(key_of(batch), new_job()) is None
    assert records.ended_sources(limit=5) == []


def test_the_urls_of_a_batch_are_known(records: Any, batch: Batch) -> None:
    start(records, batch)
    records.take_entries(batch, step(batch, 2, nested=(f"{URL}/1",)), chunk(batch, 1))
    found = records.urls_of(batch.tenant_id, batch.id)
    assert {URL, f"{URL}/1"} < found
    assert len(found) == 3
    assert records.urls_of("other", batch.id) <= {URL, f"{URL}/1"}


def test_a_batch_that_expands_is_not_forgotten(records: Any, batch: Batch) -> None:
    later = START + timedelta(days=9)
    assert records.forget_batches(before=later) == 0
    start(records, batch)
    records.take_entries(batch, step(batch, 0), None)
    assert records.forget_batches(before=later) == 1
    assert records.batch(batch.tenant_id, batch.id) is None
