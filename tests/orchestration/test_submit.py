from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from orchestration.submit import Desk, Submission
from pipeline.definition import CATALOG, DEFAULT_PIPELINE
from pipeline.errors import (
    AlreadyAnswered,
    IdempotencyKeyReused,
    InvalidSchedule,
    JobFinished,
    JobNotFound,
    MachineryFailed,
    MisorderedStages,
    PayloadsUnavailable,
    RecordsUnavailable,
    UnknownPipeline,
    UnknownStage,
)
from pipeline.job import Job, JobState, Lane, NewJob, StageState
from pipeline.memory import MemoryAnnouncer, MemoryPayloads, MemoryRecords
from pipeline.terms import JobTerms, Schedule
from stages.contract import Options
from tests.support.bench import Watched
from tests.support.broker import MemoryBroker
from tests.support.tools import START, ManualClock

URL = "https://example.org/"


class Office:
    """A desk over twins, and one log of everything it does, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        self.clock = ManualClock()
        self.records = Watched(MemoryRecords(self.clock), self.log)
        self.payloads = Watched(MemoryPayloads(), self.log)
        self.broker = MemoryBroker(monkeypatch, CATALOG.stages.values(), self.log)
        self.announcer = MemoryAnnouncer()
        self.desk = Desk(
            catalog=CATALOG,
            records=self.records,
            payloads=self.payloads,
            app=self.broker.app,
            announcer=self.announcer,
            clock=self.clock,
            random=Random(3),
            job_deadline_s=600,
        )

    def submit(self, **asked: Any) -> NewJob:
        return self.desk.submit(Submission(**asked))

    def read(self, job: NewJob) -> Job:
        found: Job = self.records.inner.job(job.tenant_id, job.id)
        return found


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Office:
    return Office(monkeypatch)


def test_a_url_is_one_record_and_then_one_message(office: Office) -> None:
    job = office.submit(url=URL, lane=Lane.URGENT, options=Options(processing="detailed"))
    assert office.log == ["accept", "publish fetch"]
    read = office.read(job)
    assert (read.state, read.run, read.pipeline) == (JobState.QUEUED, 1, DEFAULT_PIPELINE)
    assert (read.source.url, read.source.body, read.options.processing) == (URL, None, "detailed")
    assert read.created_at == office.clock.now()
    assert read.deadline_at == office.clock.now() + timedelta(seconds=600)
    (message,) = office.broker.all_waiting()
    assert (message.id, message.priority) == (f"{job.id}:1:fetch:0:1", 0)


def test_a_body_is_kept_before_the_record_says_so_and_travels_as_a_claim(office: Office) -> None:
    body = b"<p>" + b"x" * 100_000
    job = office.submit(body=body, content_type="text/html", name="a.html")
    assert office.log == ["put", "accept", "publish fetch"]
    source = office.read(job).source
    assert source.body is not None
    assert source.body.key.startswith(f"default/{job.id}/1/source.0-")
    assert (source.body.size, source.body.media_type) == (len(body), "text/html")
    assert (source.content_type, source.name, source.url) == ("text/html", "a.html", None)
    assert office.payloads.inner.get(source.body) == body
    assert office.broker.take("fetch").size < 8 * 1024


def test_content_without_a_type_is_kept_as_bytes(office: Office) -> None:
    source = office.read(office.submit(body=b"x")).source
    assert source.body is not None
    assert (source.body.media_type, source.content_type) == ("application/octet-stream", None)


def test_an_empty_body_is_a_body(office: Office) -> None:
    source = office.read(office.submit(body=b"")).source
    assert source.body is not None
    assert source.body.size == 0


def test_a_job_may_choose_its_pipeline_or_name_its_stages(office: Office) -> None:
    assert office.read(office.submit(url=URL, pipeline="extract")).stage_names == ("fetch", "extract", "store")
    custom = office.read(office.submit(url=URL, stages=("fetch", "extract", "analyze", "store")))
    assert (custom.pipeline, custom.stage_names) == ("custom", ("fetch", "extract", "analyze", "store"))


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        ({"pipeline": "fry"}, UnknownPipeline),
        ({"stages": ("fry",)}, UnknownStage),
        ({"stages": ("extract", "fetch")}, MisorderedStages),
        ({"stages": ()}, MisorderedStages),
    ],
)
def test_what_is_refused_leaves_nothing_behind(office: Office, asked: dict[str, Any], refusal: type) -> None:
    with pytest.raises(refusal):
        office.submit(body=b"x", **asked)
    assert office.log == []


def test_without_a_broker_the_job_is_kept_and_the_keeper_finds_it_at_once(office: Office) -> None:
    office.broker.is_down = True
    job = office.submit(url=URL)
    assert office.log == ["accept", "unlaunch"]
    assert office.read(job).state is JobState.QUEUED
    (found,) = office.records.inner.unstarted(older_than_s=1000, limit=10)
    assert found.key.job_id == job.id


def test_when_both_fail_after_the_commit_the_job_is_still_accepted(office: Office) -> None:
    office.broker.is_down = True
    office.records.broken["unlaunch"] = RecordsUnavailable("no answer")
    job = office.submit(url=URL)
    assert office.read(job).state is JobState.QUEUED
    office.clock.advance(21)
    assert [found.key.job_id for found in office.records.inner.unstarted(older_than_s=20, limit=10)] == [job.id]


@pytest.mark.parametrize(
    ("service", "method", "error"),
    [("records", "accept", RecordsUnavailable("no answer")), ("payloads", "put", PayloadsUnavailable("full"))],
)
def test_what_could_not_be_recorded_is_not_published(
    office: Office, service: str, method: str, error: MachineryFailed
) -> None:
    getattr(office, service).broken[method] = error
    with pytest.raises(MachineryFailed):
        office.submit(body=b"x")
    assert not office.broker.all_waiting()


@pytest.mark.parametrize(
    "refusal", [AlreadyAnswered("01a1fb67-1800-7226-b63c-5ab791b7584a", 1), IdempotencyKeyReused("k")]
)
@pytest.mark.parametrize("can_delete", [True, False])
def test_content_of_a_request_whose_key_was_used_meanwhile_is_deleted_again(
    office: Office, refusal: Exception, can_delete: bool
) -> None:
    office.records.broken["accept"] = refusal
    if not can_delete:
        office.payloads.broken["delete_job"] = PayloadsUnavailable("not mounted")
    with pytest.raises(type(refusal)):
        office.submit(body=b"x")
    assert office.log == ["put", "accept", "delete_job"]
    assert bool(office.payloads.inner.objects) != can_delete


def test_content_stays_when_nobody_knows_whether_its_job_was_recorded(office: Office) -> None:
    office.records.broken["accept"] = RecordsUnavailable("no answer to the commit")
    with pytest.raises(RecordsUnavailable):
        office.submit(body=b"x")
    assert len(office.payloads.inner.objects) == 1


def test_cancelling_is_recorded_and_can_be_repeated(office: Office) -> None:
    job = office.submit(url=URL)
    cancelled = office.desk.cancel(job.tenant_id, job.id)
    assert (cancelled.state, cancelled.finished_at) == (JobState.CANCELLED, office.clock.now())
    assert {stage.state for stage in cancelled.stages} == {StageState.CANCELLED}
    office.clock.advance(5)
    assert office.desk.cancel(job.tenant_id, job.id) == cancelled


def test_what_is_not_there_or_has_ended_cannot_be_cancelled(office: Office) -> None:
    job = office.submit(url=URL)
    with pytest.raises(JobNotFound):
        office.desk.cancel("another", job.id)
    office.records.inner.expire(at=office.clock.now() + timedelta(days=1), limit=10)
    with pytest.raises(JobFinished, match="failed"):
        office.desk.cancel(job.tenant_id, job.id)


def test_jobs_of_one_moment_have_different_ids(office: Office) -> None:
    assert len({office.submit(url=URL).id for _ in range(50)}) == 50


# terms


HOUR = timedelta(hours=1)


def test_what_is_asked_of_a_job_is_recorded_with_it(office: Office) -> None:
    job = office.submit(url=URL, tags=("a", "b"), metadata={"ticket": "7"}, max_attempts=2)
    assert office.read(job).terms == JobTerms(("a", "b"), {"ticket": "7"}, None, 2)


@pytest.mark.parametrize("schedule", [Schedule(not_before=START + HOUR), Schedule(delay_s=3600)])
def test_a_job_that_is_due_later_is_held_until_then_and_has_its_time_from_then(
    office: Office, schedule: Schedule
) -> None:
    job = office.submit(url=URL, schedule=schedule)
    assert job.terms.not_before == START + HOUR
    assert job.deadline_at == START + HOUR + timedelta(seconds=600)
    assert office.broker.all_waiting() == []
    assert office.records.inner.flows() == []
    office.clock.advance(3600)
    assert [flow.name for flow in office.records.inner.flows()] == [":summarize"]


@pytest.mark.parametrize("schedule", [Schedule(), Schedule(delay_s=0), Schedule(not_before=START - HOUR)])
def test_what_is_due_by_now_is_published_at_once(office: Office, schedule: Schedule) -> None:
    job = office.submit(url=URL, schedule=schedule)
    assert (job.terms.not_before, job.deadline_at) == (None, START + timedelta(seconds=600))
    (message,) = office.broker.all_waiting()
    assert message.headers["eta"] is None


def test_a_job_expires_when_it_was_asked_to(office: Office) -> None:
    schedule = Schedule(not_before=START + HOUR, expires_at=START + 2 * HOUR)
    assert office.submit(url=URL, schedule=schedule).deadline_at == START + 2 * HOUR


@pytest.mark.parametrize(
    ("schedule", "name"),
    [
        (Schedule(expires_at=START), "expires_at"),
        (Schedule(not_before=START + HOUR, expires_at=START + HOUR), "expires_at"),
        (Schedule(delay_s=3600, expires_at=START + HOUR), "expires_at"),
        (Schedule(not_before=datetime.max.replace(tzinfo=UTC)), "not_before"),
        (Schedule(expires_at=datetime.max.replace(tzinfo=UTC)), "expires_at"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused_before_anything_is_stored(
    office: Office, schedule: Schedule, name: str
) -> None:
    with pytest.raises(InvalidSchedule, match=name):
        office.submit(body=b"x", schedule=schedule)
    assert office.log == []
