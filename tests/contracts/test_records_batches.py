"""Records: batches are received in chunks, hold their jobs back, and are counted, cancelled and forgotten."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline.batches import NO_RUN, NOTHING_READ, SHOWN_REJECTIONS, BatchState, Rejection
from pipeline.errors import AlreadyAnswered, BatchCancelled, BatchNotFound, BatchReceiving, IdempotencyKeyReused
from pipeline.idempotency import IdempotencyKey
from pipeline.job import JobState, Lane, NewJob, StageState
from pipeline.ports import JobFilter, Retention
from pipeline.runs import NewRun
from pipeline.terms import JobTerms
from pipeline.work import Grant
from tests.support.at_once import at_once
from tests.support.batches import admitted, chunk_of, full_batch, jobs_of, new_batch, open_batch, read_batch
from tests.support.jobs import LEASE_S, STAGES, TENANT, World, key_of, new_job
from tests.support.tools import START

LATER = START + timedelta(hours=1)
KEY = IdempotencyKey(TENANT, "key", "f" * 64)


@pytest.fixture
def records(world: World) -> Any:
    return world.records


def admit(records: Any, batch: Any, limit: int = 100) -> list[str]:
    return [each.job.id for each in admitted(records, batch, limit)]


def states(world: World, jobs: list[NewJob]) -> list[str]:
    return [str(world.read(job).state) for job in jobs]


# receiving


def test_a_batch_begins_without_items(records: Any) -> None:
    batch = open_batch(records, name="Ünïcödé")
    assert (batch.name, batch.received, batch.rejected, batch.rejections) == ("Ünïcödé", 0, 0, ())
    assert (batch.created_at, batch.heard_at, batch.sealed_at) == (START, START, None)
    assert (batch.digest, batch.counts, batch.cancelled_at, batch.is_cancelling) == (NOTHING_READ, {}, None, False)
    assert read_batch(records, batch) == batch
    assert batch.state(START) is BatchState.RECEIVING


def test_jobs_are_recorded_chunk_by_chunk_and_say_which_item_they_are(world: World, records: Any) -> None:
    batch = open_batch(records)
    first, second = jobs_of(batch, 2), jobs_of(batch, 1, first=3)
    refused = Rejection(2, "invalid_request", "no source")
    records.accept_many(batch, chunk_of(first))
    records.accept_many(batch, chunk_of(second, 2, rejections=(refused,), digest="d" * 64, at=LATER, is_last=True))
    found = read_batch(records, batch)
    assert (found.received, found.accepted, found.rejected, found.rejections) == (4, 3, 1, (refused,))
    assert (found.digest, found.heard_at, found.sealed_at, found.counts) == ("d" * 64, LATER, LATER, {"queued": 3})
    jobs = [world.read(job) for job in (*first, *second)]
    assert [(job.batch_id, job.batch_index, job.run) for job in jobs] == [(batch.id, n, 1) for n in (0, 1, 3)]
    assert {stage.state for job in jobs for stage in job.stages} == {StageState.WAITING}
    assert [run.state for run in records.runs(TENANT, first[0].id)] == [JobState.QUEUED]


def test_only_the_first_rejections_are_kept(records: Any) -> None:
    batch = open_batch(records)
    refused = tuple(Rejection(n, "invalid_request", "no") for n in range(SHOWN_REJECTIONS + 20))
    records.accept_many(batch, chunk_of([], rejections=refused[:70]))
    records.accept_many(batch, chunk_of([], 70, rejections=refused[70:]))
    found = read_batch(records, batch)
    assert (found.rejected, found.rejections) == (len(refused), refused[:SHOWN_REJECTIONS])


@pytest.mark.parametrize("first", [0, 1, 3])
def test_a_chunk_that_does_not_follow_is_refused_as_a_whole(world: World, records: Any, first: int) -> None:
    batch = open_batch(records)
    records.accept_many(batch, chunk_of(jobs_of(batch, 2)))
    jobs = jobs_of(batch, 1, first=first)
    with pytest.raises(BatchReceiving):
        records.accept_many(batch, chunk_of(jobs, first))
    assert records.job(TENANT, jobs[0].id) is None
    assert read_batch(records, batch).received == 2


def test_a_batch_that_is_complete_or_cancelled_takes_no_more(records: Any) -> None:
    complete, _ = full_batch(records, 1)
    with pytest.raises(BatchReceiving):
        records.accept_many(complete, chunk_of([], 1))
    cancelled = open_batch(records)
    records.cancel_batch(TENANT, cancelled.id, LATER)
    with pytest.raises(BatchCancelled):
        records.accept_many(cancelled, chunk_of([]))
    with pytest.raises(BatchNotFound):
        records.accept_many(replace(complete, id=new_batch().id), chunk_of([]))


def test_of_two_chunks_at_once_one_is_taken(records: Any) -> None:
    for _ in range(5):
        batch = open_batch(records)
        chunks = [chunk_of(jobs_of(batch, 3)) for _ in range(2)]

        def send(chunk: Any) -> bool:
            try:
                records.accept_many(batch, chunk)  # noqa: B023
            except BatchReceiving:
                return False
            return True

        answers = at_once(*[lambda chunk=chunk: send(chunk) for chunk in chunks])
        assert sorted(answers) == [False, True]
        assert read_batch(records, batch).counts == {"queued": 3}


def test_a_batch_that_was_cut_off_is_incomplete_until_it_goes_on(records: Any) -> None:
    batch = open_batch(records)
    records.accept_many(batch, chunk_of(jobs_of(batch, 1)))
    records.cut_off(batch)
    found = read_batch(records, batch)
    assert (found.heard_at, found.state(START)) == (None, BatchState.INCOMPLETE)
    records.accept_many(batch, chunk_of([], 1, is_last=True))
    records.cut_off(batch)
    assert read_batch(records, batch).heard_at == START


def test_a_key_names_its_batch(records: Any) -> None:
    batch = open_batch(records, KEY)
    with pytest.raises(AlreadyAnswered) as answered:
        open_batch(records, KEY)
    assert (answered.value.job_id, answered.value.run) == (batch.id, NO_RUN)
    with pytest.raises(IdempotencyKeyReused):
        records.accept(new_job(), replace(KEY, fingerprint="0" * 64))
    assert len(records.batches(TENANT, before=None, limit=9).items) == 1


# launching


def test_jobs_that_are_held_are_nobodys_business(world: World, records: Any) -> None:
    _, (job, *_) = full_batch(records, 2)
    world.pass_time(10_000)
    assert records.unstarted(older_than_s=0, limit=9) == []
    assert records.relaunch_all() == 0
    assert not isinstance(records.claim(key_of(job), owner="w", lease_s=LEASE_S, at=START), Grant)


def test_jobs_are_admitted_in_turn_and_each_once(world: World, records: Any) -> None:
    batch, jobs = full_batch(records, 3)
    first = admitted(records, batch, 2)
    assert [(each.job.id, each.job.stage_names) for each in first] == [(job.id, STAGES) for job in jobs[:2]]
    assert {(each.stage, each.lane) for each in first} == {(STAGES[0], Lane.NORMAL)}
    stage = world.stage(jobs[0])
    assert (stage.state, stage.launches) == (StageState.READY, 1)
    assert world.stage(jobs[2]).state is StageState.WAITING
    assert admit(records, batch) == [jobs[2].id]
    assert admit(records, batch) == []
    world.do(jobs[0], *STAGES)
    assert world.read(jobs[0]).state is JobState.SUCCEEDED


def due_in(minutes: int) -> JobTerms:
    return JobTerms(not_before=START + timedelta(minutes=minutes))


def test_a_job_that_is_due_later_is_held_until_then_and_the_others_go_ahead(world: World, records: Any) -> None:
    batch = open_batch(records)
    later, at_once, sooner = (
        replace(job, terms=terms)
        for job, terms in zip(jobs_of(batch, 3), (due_in(9), JobTerms(), due_in(5)), strict=True)
    )
    records.accept_many(batch, chunk_of([later, at_once, sooner], is_last=True))
    assert admit(records, batch) == [at_once.id]
    world.pass_time(295)
    assert (records.flows(), admit(records, batch)) == ([], [])
    assert not isinstance(records.claim(key_of(sooner), owner="w", lease_s=LEASE_S, at=START), Grant)
    world.pass_time(10)
    assert [flow.name for flow in records.flows()] == [f"{batch.id}:extract"]
    assert admit(records, batch) == [sooner.id]
    world.do(sooner, *STAGES)
    world.pass_time(240)
    assert admit(records, batch) == [later.id]
    world.do(later, *STAGES)
    assert states(world, [later, at_once, sooner]) == ["succeeded", "queued", "succeeded"]


def test_when_a_job_is_due_counts_from_the_moment_of_the_chunk(world: World, records: Any) -> None:
    batch = open_batch(records)
    (job,) = jobs_of(batch, 1, terms=due_in(5))
    records.accept_many(batch, chunk_of([job], at=START + timedelta(minutes=4)))
    world.pass_time(55)
    assert admit(records, batch) == []
    world.pass_time(10)
    assert admit(records, batch) == [job.id]


def test_jobs_are_admitted_in_the_order_in_which_they_are_due(world: World, records: Any) -> None:
    batch = open_batch(records)
    first, second, third = jobs_of(batch, 3, terms=due_in(5))
    records.accept_many(batch, chunk_of([replace(first, terms=due_in(6)), second, third]))
    records.accept_many(batch, chunk_of(at_once := jobs_of(batch, 1, first=3), 3))
    world.pass_time(400)
    admitted = [job_id for _ in range(4) for job_id in admit(records, batch, 1)]
    assert (admitted[0], set(admitted[1:3]), admitted[3]) == (at_once[0].id, {second.id, third.id}, first.id)


def test_a_job_that_waits_for_its_moment_is_cancelled_or_fails_like_any_other(world: World, records: Any) -> None:
    batch = open_batch(records)
    cancelled, late, dropped = jobs_of(batch, 3, terms=due_in(60))
    records.accept_many(batch, chunk_of([cancelled, late, dropped], is_last=True))
    records.request_cancel(TENANT, cancelled.id, START)
    assert records.expire(at=late.deadline_at, limit=1) == 1
    records.cancel_batch(TENANT, batch.id, START)
    assert [job.id for job in records.cancel_held(batch.id, START, limit=9)] == [dropped.id]
    assert states(world, [cancelled, late, dropped]) == ["cancelled", "failed", "cancelled"]
    world.pass_time(4000)
    assert admit(records, batch) == []


def test_jobs_of_a_batch_have_all_that_a_job_may_ask_for(world: World, records: Any) -> None:
    batch = open_batch(records)
    terms = JobTerms(tags=("a", "ß"), metadata={"k": "v"}, max_attempts=2)
    (job,) = jobs_of(batch, 1, terms=terms)
    records.accept_many(batch, chunk_of([job, *jobs_of(batch, 1, first=1, terms=JobTerms(tags=("a",)))], is_last=True))
    assert world.read(job).terms == terms
    assert [each.id for each in records.jobs(TENANT, JobFilter(tags=("ß", "a")), before=None, limit=9).items] == [
        job.id
    ]
    assert records.count(TENANT, JobFilter(tags=("a",), batch_id=batch.id)) == 2
    admit(records, batch)
    assert world.claim(job).max_attempts == 2


def test_a_job_that_was_admitted_and_not_published_is_found(world: World, records: Any) -> None:
    batch, (job,) = full_batch(records, 1)
    admit(records, batch)
    world.pass_time(21)
    assert [suspect.key for suspect in records.unstarted(older_than_s=20, limit=9)] == [key_of(job)]


def test_two_who_admit_at_once_admit_each_job_once(records: Any) -> None:
    batch, jobs = full_batch(records, 20)
    answers = at_once(*[lambda: admit(records, batch, 15)] * 2)
    assert sorted(job_id for ids in answers for job_id in ids) == [job.id for job in jobs]


def test_jobs_that_ended_while_they_were_held_are_let_go(world: World, records: Any) -> None:
    batch, (cancelled, late, purged, again) = full_batch(records, 4)
    for job in (cancelled, purged, again):
        records.request_cancel(TENANT, job.id, START)
    records.purge(TENANT, purged.id)
    records.open_run(TENANT, again.id, NewRun(None, None, deadline_at=late.deadline_at + timedelta(days=1), at=START))
    assert records.expire(at=late.deadline_at, limit=1) == 1
    assert admit(records, batch) == []
    assert states(world, [cancelled, again]) == ["cancelled", "queued"]
    assert records.flows() == []


def test_a_job_that_is_held_beyond_its_deadline_fails(world: World, records: Any) -> None:
    _, (job,) = full_batch(records, 1)
    assert records.expire(at=job.deadline_at, limit=9) == 1
    read = world.read(job)
    assert read.error is not None
    assert (read.state, read.error.code, read.error.stage) == (JobState.FAILED, "deadline_exceeded", STAGES[0])


# cancelling


def test_cancelling_ends_what_is_held_at_once(world: World, records: Any) -> None:
    batch, jobs = full_batch(records, 5)
    admit(records, batch, 2)
    marked = records.cancel_batch(TENANT, batch.id, LATER)
    assert (marked.cancelled_at, marked.is_cancelling, marked.state(LATER)) == (LATER, True, BatchState.CANCELLING)
    assert [job.id for job in records.cancel_held(batch.id, LATER, limit=2)] == [job.id for job in jobs[2:4]]
    (last,) = records.cancel_held(batch.id, LATER, limit=2)
    assert (last.id, last.state, last.finished_at) == (jobs[4].id, JobState.CANCELLED, LATER)
    assert records.cancel_held(batch.id, LATER, limit=2) == []
    assert states(world, jobs) == ["queued"] * 2 + ["cancelled"] * 3
    assert {stage.state for stage in world.read(jobs[4]).stages} == {StageState.CANCELLED}
    assert [run.state for run in records.runs(TENANT, jobs[4].id)] == [JobState.CANCELLED]


def test_cancelling_goes_on_until_nothing_is_left(world: World, records: Any) -> None:
    batch, jobs = full_batch(records, 2)
    admit(records, batch)
    records.cancel_batch(TENANT, batch.id, START)
    (work,) = records.cancelling_batches()
    assert sorted(records.unended_of(work, limit=9)) == [job.id for job in jobs]
    assert len(records.unended_of(work, limit=1)) == 1
    for job in jobs:
        records.request_cancel(TENANT, job.id, START)
    assert records.unended_of(work, limit=9) == []
    records.end_cancelling(batch.id)
    assert records.cancelling_batches() == []
    assert read_batch(records, batch).state(LATER) is BatchState.CANCELLED
    assert records.cancel_batch(TENANT, batch.id, LATER).cancelled_at == START


def test_what_has_finished_is_not_cancelled_any_more(world: World, records: Any) -> None:
    batch, (job,) = full_batch(records, 1)
    admit(records, batch)
    world.do(job, *STAGES)
    finished = read_batch(records, batch)
    assert records.cancel_batch(TENANT, batch.id, LATER) == finished
    assert (finished.state(LATER), finished.progress, finished.is_over(LATER)) == (BatchState.FINISHED, 100, True)


def test_one_who_cancels_and_one_who_admits_share_the_jobs(world: World, records: Any) -> None:
    batch, jobs = full_batch(records, 30)
    at_once(lambda: admit(records, batch, 20), lambda: records.cancel_held(batch.id, START, limit=20))
    queued = {job.id for job in jobs if world.read(job).state is JobState.QUEUED}
    cancelled = {job.id for job in jobs if world.read(job).state is JobState.CANCELLED}
    assert (len(queued) + len(cancelled), bool(cancelled), bool(queued)) == (30, True, True)


# reading


def test_jobs_of_a_batch_are_listed_and_counted(world: World, records: Any) -> None:
    batch, jobs = full_batch(records, 3)
    full_batch(records, 2)
    world.accept()
    admit(records, batch, 2)
    world.do(jobs[0], *STAGES)
    world.fail(jobs[1])
    assert read_batch(records, batch).counts == {"succeeded": 1, "failed": 1, "queued": 1}
    of_batch = JobFilter(batch_id=batch.id)
    page = records.jobs(TENANT, of_batch, before=None, limit=2)
    assert ([job.id for job in page.items], page.more) == ([jobs[2].id, jobs[1].id], True)
    assert records.count(TENANT, of_batch) == 3
    assert records.count(TENANT, replace(of_batch, states=(JobState.FAILED,))) == 1
    assert records.count("theirs", of_batch) == 0


def test_results_are_of_what_has_ended_in_order(world: World, records: Any) -> None:
    batch, jobs = full_batch(records, 4)
    admit(records, batch, 3)
    world.fail(jobs[2])
    world.do(jobs[0], *STAGES)
    records.request_cancel(TENANT, jobs[3].id, START)
    first = records.batch_results(TENANT, batch.id, after=None, limit=2)
    assert [job.id for job in first] == [jobs[0].id, jobs[2].id]
    rest = records.batch_results(TENANT, batch.id, after=first[-1].id, limit=2)
    assert [(job.id, job.state, job.stages) for job in rest] == [(jobs[3].id, JobState.CANCELLED, ())]
    assert records.batch_results("theirs", batch.id, after=None, limit=2) == []


def test_batches_are_listed_in_pages_the_newest_first(records: Any) -> None:
    batches = [full_batch(records, n, created_at=START + timedelta(seconds=n))[0] for n in range(3)]
    records.accept_many(other := open_batch(records), chunk_of([], rejections=(Rejection(0, "x", "y"),)))
    first = records.batches(TENANT, before=None, limit=2)
    assert (first.items, first.more) == ((batches[2], batches[1]), True)
    second = records.batches(TENANT, before=first.last_id, limit=2)
    assert {batch.id for batch in second.items} == {batches[0].id, other.id}
    assert {batch.rejections for batch in second.items} == {()}
    for tenant_id, before in (("theirs", None), (TENANT, "nonsense")):
        assert records.batches(tenant_id, before=before, limit=2).items == ()


def test_batches_of_others_are_not_found(records: Any) -> None:
    batch, _ = full_batch(records, 1)
    for tenant_id, batch_id in (("theirs", batch.id), (TENANT, new_batch().id), (TENANT, "nonsense")):
        assert records.batch(tenant_id, batch_id) is None
        with pytest.raises(BatchNotFound):
            records.cancel_batch(tenant_id, batch_id, START)


def test_a_batch_is_forgotten_after_the_last_of_its_jobs(world: World, records: Any) -> None:
    batch, (job,) = full_batch(records, 1)
    empty, _ = full_batch(records, 0)
    admit(records, batch)
    world.do(job, *STAGES)
    assert records.forget_batches(before=START) == 0
    assert records.forget_batches(before=LATER) == 1
    assert records.batch(TENANT, empty.id) is None
    older = Retention(results_s=0, intermediates_s=0, dead_letters_s=0)
    assert records.purge_expired(job.id, LATER, older)
    assert read_batch(records, batch).progress == 100
    assert records.forget_batches(before=LATER) == 1
