"""Records: accepting, reading, listing and cancelling jobs."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.errors import JobFinished, JobNotFound
from pipeline.ids import Claim
from pipeline.job import FIRST_RUN, Job, JobSource, JobState, Lane, StageState
from pipeline.ports import JobFilter
from pipeline.runs import NewRun
from pipeline.terms import JobTerms
from pipeline.work import Refusal, Refused
from stages.contract import Options
from tests.support.jobs import BROKEN, STAGES, TENANT, World, ended, key_of, new_job, output_of
from tests.support.tools import START


def test_an_accepted_job_is_readable_at_once(world: World) -> None:
    body = Claim("default/j/0/body.0-ab", "ab" * 32, 5, "text/html")
    new = world.accept(
        source=JobSource(body=body, content_type="text/html", name="a\x00b.html"),
        options=Options(processing="detailed"),
        lane=Lane.URGENT,
    )
    job = world.read(new)
    assert job == Job(
        id=new.id,
        tenant_id=TENANT,
        pipeline="extract",
        stage_names=STAGES,
        source=new.source,
        options=new.options,
        lane=Lane.URGENT,
        state=JobState.QUEUED,
        run=FIRST_RUN,
        created_at=new.created_at,
        started_at=None,
        finished_at=None,
        deadline_at=new.deadline_at,
        error=None,
        result=None,
        stages=job.stages,
    )
    assert [(stage.stage, stage.position, stage.state, stage.launches) for stage in job.stages] == [
        ("fetch", 0, StageState.READY, 1),
        ("extract", 1, StageState.WAITING, 0),
        ("store", 2, StageState.WAITING, 0),
    ]
    assert {(stage.attempts, stage.losses, stage.tries) for stage in job.stages} == {(0, 0, ())}


TERMS = JobTerms(("news", "Ünï code"), {"ticket": "a\x00b", "empty": ""}, START + timedelta(hours=1), 7)


def test_the_terms_of_a_job_are_kept_for_all_of_its_runs(world: World) -> None:
    new = world.accept(terms=TERMS, created_at=START)
    assert world.read(new).terms == TERMS
    world.records.request_cancel(TENANT, new.id, START)
    world.records.open_run(TENANT, new.id, NewRun(None, None, deadline_at=START + timedelta(days=1), at=START))
    assert world.read(new).terms == TERMS
    assert world.claim(new, run=2).max_attempts == TERMS.max_attempts


def test_a_job_that_is_due_later_is_held_until_then(world: World) -> None:
    new = world.accept(terms=JobTerms(not_before=START + timedelta(minutes=10)), created_at=START)
    world.pass_time(590)
    refused = world.records.claim(key_of(new), owner="worker", lease_s=30, at=START)
    assert refused == Refused(Refusal.OVER)
    assert world.records.flows() == []
    world.pass_time(11)
    (flow,) = world.records.flows()
    assert [(each.job.id, each.stage) for each in world.records.admit({flow: 9})] == [(new.id, STAGES[0])]
    world.claim(new)


def test_a_job_is_read_by_its_tenant_only(world: World) -> None:
    job = world.accept(tenant_id="theirs")
    assert world.records.job("theirs", job.id) is not None
    assert world.records.job("ours", job.id) is None


@pytest.mark.parametrize("job_id", ["", "nonsense", "01a1fb67-1800-7226-b63c-5ab791b7584", "'; --", "\x00"])
def test_an_id_that_is_no_uuid_names_no_job(world: World, job_id: str) -> None:
    assert world.records.job(TENANT, job_id) is None
    with pytest.raises(JobNotFound):
        world.records.request_cancel(TENANT, job_id, START)
    key = replace(key_of(new_job()), job_id=job_id)
    refused = world.records.claim(key, owner="worker", lease_s=30, at=START)
    assert refused == Refused(Refusal.OVER)
    assert world.records.jobs(TENANT, JobFilter(), before=job_id, limit=5).items == ()


def test_an_id_may_be_written_in_upper_case(world: World) -> None:
    job = world.accept()
    assert world.records.job(TENANT, job.id.upper()) == world.read(job)


def test_jobs_are_listed_newest_first_in_pages(world: World) -> None:
    ids = [world.accept().id for _ in range(5)]
    world.accept(tenant_id="theirs")
    first = world.records.jobs(TENANT, JobFilter(), before=None, limit=2)
    second = world.records.jobs(TENANT, JobFilter(), before=first.items[-1].id, limit=2)
    third = world.records.jobs(TENANT, JobFilter(), before=second.items[-1].id, limit=2)
    assert [job.id for page in (first, second, third) for job in page.items] == ids[::-1]
    assert (first.more, second.more, third.more) == (True, True, False)
    assert first.items[0].stages == ()


def test_a_page_that_ends_with_the_last_job_says_so(world: World) -> None:
    world.accept()
    world.accept()
    assert not world.records.jobs(TENANT, JobFilter(), before=None, limit=2).more


def test_cancelling_a_queued_job_cancels_its_stages(world: World) -> None:
    job = world.accept()
    at = START + timedelta(seconds=5)
    cancelled = world.records.request_cancel(TENANT, job.id, at)
    assert (cancelled.state, cancelled.finished_at) == (JobState.CANCELLED, at)
    assert {stage.state for stage in cancelled.stages} == {StageState.CANCELLED}
    assert {stage.finished_at for stage in cancelled.stages} == {at}
    assert cancelled == world.read(job)
    assert world.records.unstarted(older_than_s=-1, limit=9) == []


def test_cancelling_a_running_job_ends_its_attempt_and_keeps_what_is_done(world: World) -> None:
    job = world.accept()
    world.do(job, "fetch")
    world.hold(job, "extract")
    cancelled = world.records.request_cancel(TENANT, job.id, START)
    assert [stage.state for stage in cancelled.stages] == [
        StageState.SUCCEEDED,
        StageState.CANCELLED,
        StageState.CANCELLED,
    ]
    assert [attempt.outcome for stage in cancelled.stages for attempt in stage.tries] == ["succeeded", "cancelled"]


def test_what_was_running_when_its_job_was_cancelled_is_refused(world: World) -> None:
    job = world.accept()
    hold = world.hold(job)
    cancelled = world.records.request_cancel(TENANT, job.id, START)
    assert not world.records.complete(hold, output_of("fetch"), ended())
    assert not world.records.release(hold, BROKEN, delay_s=0, spends=True, ended=ended())
    assert not world.records.fail(hold, BROKEN, spends=True, ended=ended())
    assert world.read(job) == cancelled


def test_cancelling_twice_changes_nothing(world: World) -> None:
    job = world.accept()
    first = world.records.request_cancel(TENANT, job.id, START)
    assert world.records.request_cancel(TENANT, job.id, START + timedelta(hours=1)) == first


def test_a_finished_job_cannot_be_cancelled(world: World) -> None:
    succeeded, failed = world.accept(), world.accept()
    world.do(succeeded, *STAGES)
    world.records.fail(world.hold(failed), BROKEN, spends=True, ended=ended())
    for job, state in ((succeeded, "succeeded"), (failed, "failed")):
        with pytest.raises(JobFinished, match=state):
            world.records.request_cancel(TENANT, job.id, START)


def test_a_job_of_another_tenant_cannot_be_cancelled(world: World) -> None:
    job = world.accept()
    with pytest.raises(JobNotFound):
        world.records.request_cancel("ours", job.id, START)
    assert world.read(job).state is JobState.QUEUED


def test_records_that_are_in_order_pass_the_check(world: World) -> None:
    world.records.check()
