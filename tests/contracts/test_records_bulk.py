"""Records: one action on many jobs, job by job, each once."""

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from pipeline.bulk import BulkAction, BulkFailure, BulkItem, BulkOutcome, BulkState, BulkVerb, NewBulkAction
from pipeline.errors import BulkActionNotFound
from pipeline.ids import uuid7
from pipeline.job import Job, JobState, NewJob, StageState
from pipeline.ports import JobFilter
from pipeline.runs import NewRun
from stages.contract import Options
from tests.support.at_once import at_once
from tests.support.jobs import STAGES, TENANT, World, new_job
from tests.support.tools import START

LATER = START + timedelta(days=2)
FAILED = JobFilter(states=(JobState.FAILED,))

_random = Random(5)


@pytest.fixture
def records(world: World) -> Any:
    return world.records


def record(records: Any, verb: BulkVerb, jobs: Any = FAILED, **about: Any) -> BulkAction:
    created_at = about.pop("created_at", LATER)
    action_id = str(uuid7(created_at, _random))
    action: BulkAction = records.record_bulk(NewBulkAction(action_id, TENANT, verb, jobs, created_at, **about))
    return action


def run_of(item: BulkItem) -> NewRun:
    return NewRun(item.from_stage, item.options, deadline_at=LATER + timedelta(days=1), at=LATER)


def act(records: Any, *, limit: int = 100) -> list[Job | None]:
    return [records.act(item, run_of(item)) for item in records.bulk_items(limit=limit)]


def failed(world: World, stage: str = "extract", **error: Any) -> NewJob:
    job = world.accept()
    world.do(job, *STAGES[: STAGES.index(stage)])
    world.fail(job, stage, **error)
    return job


def counts(action: BulkAction) -> dict[str, int]:
    return {str(outcome): count for outcome, count in action.counts.items()}


def test_all_jobs_that_match_are_meant_and_stay_so(world: World, records: Any) -> None:
    meant = [failed(world) for _ in range(3)]
    failed(world, "fetch")
    world.accept()
    action = record(records, BulkVerb.RETRY, replace(FAILED, stage="extract"))
    failed(world)
    assert (action.total, counts(action), action.state) == (3, {"None": 3}, BulkState.RUNNING)
    assert (action.created_at, action.finished_at) == (LATER, None)
    items = records.bulk_items(limit=9)
    assert [item.job_id for item in items] == [job.id for job in meant]
    assert {(item.action_id, item.tenant_id, item.verb) for item in items} == {(action.id, TENANT, BulkVerb.RETRY)}
    assert records.bulk(TENANT, action.id) == action


def test_a_retry_opens_a_run_of_each_job(world: World, records: Any) -> None:
    jobs = [failed(world) for _ in range(2)]
    action = record(records, BulkVerb.RETRY)
    opened = act(records)
    assert [(job.id, job.run, job.state) for job in opened if job] == [(job.id, 2, JobState.QUEUED) for job in jobs]
    assert [world.read(job) for job in jobs] == opened
    done = records.bulk(TENANT, action.id)
    assert (counts(done), done.state, done.finished_at) == ({"done": 2}, BulkState.FINISHED, LATER)
    assert records.bulk_items(limit=9) == []


def test_a_replay_begins_at_the_stage_with_the_options(world: World, records: Any) -> None:
    job = world.accept()
    world.do(job, *STAGES)
    action = record(records, BulkVerb.REPLAY, [job.id], from_stage="extract", options=Options(processing="detailed"))
    assert (action.from_stage, action.options) == ("extract", Options(processing="detailed"))
    (opened,) = act(records)
    assert opened is not None
    assert opened.options == Options(processing="detailed")
    assert [stage.state for stage in opened.stages] == [StageState.SUCCEEDED, StageState.READY, StageState.WAITING]


def test_discarding_and_cancelling_open_no_run(world: World, records: Any) -> None:
    letter, queued = failed(world), world.accept()
    record(records, BulkVerb.DISCARD)
    record(records, BulkVerb.CANCEL, JobFilter(states=(JobState.QUEUED,)))
    assert act(records) == [None, None]
    assert world.read(letter).discarded_at == LATER
    assert (world.read(queued).state, world.read(queued).finished_at) == (JobState.CANCELLED, LATER)


def test_what_cannot_be_done_is_told_with_its_reason(world: World, records: Any) -> None:
    fine, unfinished, never = failed(world), world.accept(), new_job()
    succeeded = world.accept()
    world.do(succeeded, *STAGES)
    ids = [fine.id, unfinished.id, never.id, succeeded.id]
    action = record(records, BulkVerb.RETRY, ids)
    assert sum(job is not None for job in act(records)) == 1
    ended = records.bulk(TENANT, action.id)
    assert (counts(ended), ended.state) == ({"done": 1, "failed": 3}, BulkState.FINISHED)
    assert ended.reasons == {"job_unfinished": 1, "job_not_found": 1, "job_finished": 1}
    assert ended.failures == tuple(
        sorted(
            [
                BulkFailure(unfinished.id, "job_unfinished", f"job {unfinished.id} is still queued"),
                BulkFailure(never.id, "job_not_found", f"there is no job {never.id}"),
                BulkFailure(succeeded.id, "job_finished", f"job {succeeded.id} has already succeeded"),
            ],
            key=lambda failure: failure.job_id,
        )
    )


def test_a_stage_that_cannot_run_is_a_reason_too(world: World, records: Any) -> None:
    job = failed(world)
    expired = record(records, BulkVerb.REPLAY, [job.id], from_stage="store")
    unknown = record(records, BulkVerb.REPLAY, [job.id], from_stage="translate")
    assert act(records) == [None, None]
    assert records.bulk(TENANT, expired.id).reasons == {"input_expired": 1}
    assert records.bulk(TENANT, unknown.id).reasons == {"unknown_stage": 1}
    assert world.read(job).run == 1


def test_a_job_has_its_turn_once(world: World, records: Any) -> None:
    job = failed(world)
    record(records, BulkVerb.RETRY)
    (item,) = records.bulk_items(limit=9)
    assert records.act(item, run_of(item)) is not None
    world.do(job, "extract", "store", run=2)
    assert records.act(item, run_of(item)) is None
    assert world.read(job).run == 2


def test_two_who_act_at_once_act_once(world: World, records: Any) -> None:
    for _ in range(10):
        job = failed(world)
        action = record(records, BulkVerb.RETRY, [job.id])
        (item,) = records.bulk_items(limit=9)
        answers = at_once(*[lambda: records.act(item, run_of(item))] * 2)  # noqa: B023
        assert sum(answer is not None for answer in answers) == 1
        assert counts(records.bulk(TENANT, action.id)) == {"done": 1}


def test_a_turn_that_ended_in_a_defect_is_given_up(world: World, records: Any) -> None:
    first, second = failed(world), failed(world)
    action = record(records, BulkVerb.RETRY)
    done, odd = records.bulk_items(limit=9)
    records.act(done, run_of(done))
    for item in (done, odd, odd):
        records.give_up(item, BulkFailure(item.job_id, "internal_error", "KeyError"), at=LATER)
    ended = records.bulk(TENANT, action.id)
    assert (counts(ended), ended.state) == ({"done": 1, "failed": 1}, BulkState.FINISHED)
    assert ended.failures == (BulkFailure(second.id, "internal_error", "KeyError"),)
    assert (world.read(first).run, world.read(second).run) == (2, 1)


def test_the_oldest_action_goes_first(world: World, records: Any) -> None:
    jobs = [failed(world) for _ in range(3)]
    young = record(records, BulkVerb.RETRY, [jobs[0].id, jobs[1].id], created_at=LATER + timedelta(hours=1))
    old = record(records, BulkVerb.RETRY, [jobs[2].id])
    found = [(item.action_id, item.job_id) for item in records.bulk_items(limit=2)]
    assert found == [(old.id, jobs[2].id), (young.id, jobs[0].id)]


def test_aborting_drops_what_waits(world: World, records: Any) -> None:
    jobs = [failed(world) for _ in range(3)]
    action = record(records, BulkVerb.RETRY)
    act(records, limit=1)
    (late, _) = records.bulk_items(limit=9)
    aborted = records.abort_bulk(TENANT, action.id, LATER)
    assert (counts(aborted), aborted.state) == ({"done": 1, "dropped": 2}, BulkState.ABORTED)
    assert (aborted.aborted_at, aborted.finished_at, aborted.total) == (LATER, LATER, 3)
    assert records.bulk_items(limit=9) == []
    assert records.act(late, run_of(late)) is None
    assert [world.read(job).run for job in jobs] == [2, 1, 1]


def test_what_has_finished_is_not_aborted_any_more(world: World, records: Any) -> None:
    failed(world)
    action = record(records, BulkVerb.RETRY)
    act(records)
    finished = records.bulk(TENANT, action.id)
    assert records.abort_bulk(TENANT, action.id, LATER + timedelta(hours=1)) == finished
    assert finished.state is BulkState.FINISHED


def test_an_action_on_nothing_has_finished_at_once(records: Any) -> None:
    for nothing in (FAILED, []):
        action = record(records, BulkVerb.RETRY, nothing)
        assert (action.total, action.state, action.finished_at) == (0, BulkState.FINISHED, LATER)


def test_actions_of_others_are_not_found(world: World, records: Any) -> None:
    failed(world)
    action = record(records, BulkVerb.RETRY)
    for tenant_id, action_id in (("theirs", action.id), (TENANT, new_job().id), (TENANT, "nonsense")):
        assert records.bulk(tenant_id, action_id) is None
        with pytest.raises(BulkActionNotFound):
            records.abort_bulk(tenant_id, action_id, LATER)


def test_actions_are_listed_in_pages_the_newest_first(world: World, records: Any) -> None:
    failed(world)
    unfinished = world.accept()
    actions = [
        record(records, BulkVerb.RETRY, ids, created_at=LATER + timedelta(seconds=age))
        for age, ids in enumerate(([unfinished.id], FAILED, [], [unfinished.id, new_job().id]))
    ]
    act(records)
    records.abort_bulk(TENANT, record(records, BulkVerb.CANCEL, [unfinished.id], created_at=START).id, LATER)
    first = records.bulks(TENANT, before=None, limit=3)
    second = records.bulks(TENANT, before=first.last_id, limit=3)
    assert (first.more, second.more) == (True, False)
    assert [action.id for action in first.items] == [action.id for action in actions[:0:-1]]
    for action in (*first.items, *second.items):
        assert action == replace(records.bulk(TENANT, action.id), failures=())
    assert [action.state for action in second.items] == [BulkState.FINISHED, BulkState.ABORTED]
    assert second.items[0].reasons == {"job_unfinished": 1}


@pytest.mark.parametrize(("tenant_id", "before"), [("theirs", None), (TENANT, "nonsense"), (TENANT, new_job().id)])
def test_there_are_no_actions_of_others_nor_before_the_first(world: World, tenant_id: str, before: str | None) -> None:
    record(world.records, BulkVerb.RETRY)
    page = world.records.bulks(tenant_id, before=before, limit=9)
    assert (page.items, page.more) == ((), False)


def test_jobs_of_others_are_not_meant(world: World, records: Any) -> None:
    theirs = world.accept(tenant_id="theirs")
    world.fail(theirs)
    assert record(records, BulkVerb.RETRY).total == 0
    action = record(records, BulkVerb.RETRY, [theirs.id])
    act(records)
    assert records.bulk(TENANT, action.id).reasons == {"job_not_found": 1}


def test_old_actions_are_forgotten_but_not_those_at_work(world: World, records: Any) -> None:
    failed(world)
    finished = record(records, BulkVerb.DISCARD)
    act(records)
    waiting = record(records, BulkVerb.RETRY)
    young = record(records, BulkVerb.RETRY, [], created_at=LATER + timedelta(hours=2))
    assert records.forget_bulk(before=LATER) == 0
    assert records.forget_bulk(before=LATER + timedelta(hours=1)) == 1
    known = [records.bulk(TENANT, action.id) is not None for action in (finished, waiting, young)]
    assert known == [False, True, True]


def test_many_failures_are_counted_and_some_are_shown(records: Any) -> None:
    ids = sorted(new_job().id for _ in range(130))
    action = record(records, BulkVerb.DISCARD, ids)
    act(records, limit=1000)
    ended = records.bulk(TENANT, action.id)
    assert ended.counts == {BulkOutcome.FAILED: 130}
    assert [failure.job_id for failure in ended.failures] == ids[:100]
