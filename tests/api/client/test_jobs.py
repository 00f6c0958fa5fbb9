"""The clients against the real application, over the twins in memory."""

from datetime import timedelta
from decimal import Decimal

import pytest

from api.client import Snapshot
from api.client.errors import (
    IdempotencyKeyReused,
    InputExpired,
    InvalidRequest,
    JobCancelled,
    JobFailed,
    JobFinished,
    JobNotFound,
    JobUnfinished,
    MisorderedStages,
    NotFound,
    NotSucceeded,
    PenstockError,
    RunNotFound,
    UnknownPipeline,
    WaitTimedOut,
)
from pipeline.job import JobState
from pipeline.spending import Spending, Spent
from tests.support.clients import app_of
from tests.support.tools import START

URL = "https://example.org/"
STAGES = ("fetch", "extract", "summarize", "store")


def test_a_job_is_submitted_with_all_that_is_asked_for(penstock):
    accepted = penstock.submit(
        text="Dear all", stages=("fetch", "extract", "store"), processing="detailed", lane="bulk"
    )
    job = penstock.job(accepted.id)
    assert (job.id, job.status, job.pipeline) == (accepted.id, JobState.QUEUED, "custom")
    assert ([stage.name for stage in job.stages], job.processing, job.lane) == (
        ["fetch", "extract", "store"],
        "detailed",
        "bulk",
    )


def test_every_submission_has_a_key_of_its_own_and_one_that_is_given_finds_its_job(penstock):
    ids = {penstock.submit(url=URL).id for _ in range(3)}
    assert len(ids) == 3
    first = penstock.submit(url=URL, idempotency_key='my-"own"-\\-key')
    assert penstock.submit(url=URL, idempotency_key='my-"own"-\\-key') == first
    with pytest.raises(IdempotencyKeyReused):
        penstock.submit(url="https://example.org/2", idempotency_key='my-"own"-\\-key')


def test_a_result_is_a_document(penstock, api):
    job_id = penstock.submit(url=URL).id
    with pytest.raises(JobUnfinished) as unfinished:
        penstock.result(job_id)
    assert (unfinished.value.status, unfinished.value.retry_after_s) == (409, 1)
    document = api.finish(job_id, *STAGES)
    assert penstock.result(job_id) == document
    assert penstock.result(job_id, run=1) == document
    assert penstock.wait(job_id).status is JobState.SUCCEEDED


def test_what_ended_without_a_result_says_why(penstock, api):
    failed, cancelled = penstock.submit(url=URL).id, penstock.submit(url=URL).id
    api.fail(failed)
    assert penstock.cancel(cancelled).status is JobState.CANCELLED
    with pytest.raises(JobFailed, match="No such host"):
        penstock.result(failed)
    with pytest.raises(JobCancelled):
        penstock.result(cancelled)
    with pytest.raises(JobFinished):
        penstock.cancel(failed)


def test_a_job_is_waited_for_no_longer_than_asked(make, api):
    penstock = make(lambda request: (penstock.clock.advance(2), app_of(api)(_at_once(request)))[1])
    job_id = penstock.submit(url=URL).id
    with pytest.raises(WaitTimedOut, match=job_id):
        penstock.wait(job_id, timeout_s=11)
    assert 11 <= penstock.clock.monotonic() <= 15


def _at_once(request):
    request.url = request.url.copy_remove_param("wait_s")
    return request


def test_all_pages_of_a_listing_are_read(penstock, api):
    ids = [api.submit() for _ in range(7)]
    api.fail(ids[2])
    assert [job.id for job in penstock.iter_jobs(page_size=3)] == ids[::-1]
    assert [job.id for job in penstock.iter_jobs(status="failed", code="dns_failure", stage="fetch")] == [ids[2]]
    assert list(penstock.iter_jobs(created_after=api.clock.now() + timedelta(seconds=1))) == []
    with pytest.raises(InvalidRequest):
        list(penstock.iter_jobs(status="lost"))


def test_a_job_is_run_again_and_erased(penstock, api):
    job_id = penstock.submit(url=URL).id
    with pytest.raises(JobUnfinished):
        penstock.purge(job_id)
    api.fail(job_id)
    assert penstock.retry(job_id).run == 2
    api.finish(job_id, *STAGES, run=2)
    assert penstock.replay(job_id, "summarize", processing="detailed").run == 3
    assert penstock.job(job_id).processing == "detailed"
    assert penstock.job(job_id, run=1).status is JobState.FAILED
    with pytest.raises(RunNotFound):
        penstock.job(job_id, run=9)
    api.finish(job_id, "summarize", "store", run=3)
    assert penstock.purge(job_id) is None
    with pytest.raises(JobNotFound):
        penstock.job(job_id)


def test_an_input_that_expired_names_the_earliest_stage(penstock, api):
    job_id = penstock.submit(url=URL).id
    api.fail(job_id)
    with pytest.raises(InputExpired) as expired:
        penstock.replay(job_id, "store")
    assert expired.value.earliest_stage == "fetch"


@pytest.mark.parametrize(
    ("job", "error"),
    [
        ({}, InvalidRequest),
        ({"url": URL, "text": "both"}, InvalidRequest),
        ({"text": "half of a pair: \ud800"}, InvalidRequest),
        ({"url": URL, "pipeline": "translate"}, UnknownPipeline),
        ({"url": URL, "stages": ["fetch", "summarize", "store"]}, MisorderedStages),
    ],
)
def test_what_cannot_become_a_job_is_refused_by_the_service(penstock, job, error):
    with pytest.raises(error) as refused:
        penstock.submit(**job)
    assert refused.value.status == 422
    assert penstock.slept == []


def test_an_id_cannot_lead_to_another_path(penstock):
    with pytest.raises(NotFound):
        penstock.job("x/../../../v1/bulk-actions?limit=1")


def test_the_events_of_a_finished_job_are_a_snapshot_and_its_end(penstock, api):
    job_id = penstock.submit(url=URL).id
    api.fail(job_id)
    snapshot, last = penstock.iter_events(job_id)
    assert isinstance(snapshot, Snapshot)
    assert snapshot.job == penstock.job(job_id)
    assert (last.event, last.job_id, last.code) == ("job.failed", job_id, "dns_failure")
    with pytest.raises(JobNotFound):
        list(penstock.iter_events("01a1fd20-974e-7463-a83b-e6c45a3d90b5"))


def test_a_run_returns_the_document_or_says_why_not(make, api):
    ends = [lambda job_id: api.finish(job_id, *STAGES), api.fail]

    def answer(request):
        got = app_of(api)(request)
        if request.method == "POST":
            ends.pop(0)(got.json()["id"])
        return got

    penstock, heard = make(answer), []
    document = penstock.run(url=URL, on_event=heard.append)
    assert document.metadata.title == "Ünïcödé"
    assert [event.event for event in heard] == ["snapshot", "job.succeeded"]
    with pytest.raises(NotSucceeded, match="No such host") as failed:
        penstock.run(url=URL)
    assert failed.value.job.error.code == "dns_failure"
    assert isinstance(failed.value, PenstockError)


def test_usage_is_read_by_day_and_by_model(penstock, api):
    job_id = penstock.submit(url=URL).id
    spent = Spent(1, input_tokens=10, output_tokens=2, micros=7, currency="EUR")
    api.records.spend(api.start(job_id, "fetch"), Spending("default", {"small": spent}), api.clock.now())
    assert penstock.usage(by="model").rows[0].model == "small"
    report = penstock.usage(START.date(), START.date())
    assert (report.total.cost, report.total.currency) == (Decimal("0.000007"), "EUR")
