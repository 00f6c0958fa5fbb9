from datetime import timedelta

import pytest

from pipeline.errors import InputExpired, JobFinished, JobNotFound, JobUnfinished, RecordsUnavailable, UnknownStage
from pipeline.job import JobState, Lane
from stages.contract import Options
from tests.support.jobs import new_job
from tests.support.runs import DEADLINE_S, RunOffice


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> RunOffice:
    return RunOffice(monkeypatch)


def test_a_retry_is_recorded_and_then_published_from_where_it_stopped(office: RunOffice) -> None:
    job = office.failed("extract", lane=Lane.URGENT)
    opened = office.retry(job)
    assert office.log == ["open_run", "publish extract"]
    assert (opened.run, opened.state) == (2, JobState.QUEUED)
    assert opened.deadline_at == office.clock.now() + timedelta(seconds=DEADLINE_S)
    (message,) = office.broker.all_waiting()
    assert (message.id, message.priority, message.kwargs["run"]) == (f"{job.id}:2:extract:0:1", 0, 2)
    assert [link["options"]["task_id"] for link in message.embed["chain"]] == [f"{job.id}:2:store:0:1"]


def test_a_replay_begins_at_its_stage_with_its_options(office: RunOffice) -> None:
    job = office.done()
    opened = office.replay(job, "fetch", Options(processing="detailed"))
    assert opened.options == Options(processing="detailed")
    assert [message.id for message in office.broker.all_waiting()] == [f"{job.id}:2:fetch:0:1"]


def test_each_run_has_messages_of_its_own(office: RunOffice) -> None:
    job = office.done()
    office.replay(job, "store")
    office.world.do(job, "store", run=2)
    office.replay(job, "store")
    assert [message.id for message in office.broker.all_waiting()] == [f"{job.id}:{run}:store:0:1" for run in (2, 3)]


def test_without_a_broker_the_run_is_kept_and_the_keeper_finds_it_at_once(office: RunOffice) -> None:
    office.broker.is_down = True
    job = office.failed("extract")
    assert office.retry(job).run == 2
    assert office.log == ["open_run", "unlaunch"]
    (found,) = office.records.inner.unstarted(older_than_s=10_000, limit=10)
    assert (found.key.job_id, found.key.run, found.key.stage) == (job.id, 2, "extract")


def test_when_both_fail_after_the_commit_the_run_is_kept_all_the_same(office: RunOffice) -> None:
    office.broker.is_down = True
    office.records.broken["unlaunch"] = RecordsUnavailable("no answer")
    job = office.failed("fetch")
    assert office.retry(job).run == 2


def test_what_is_refused_is_not_published(office: RunOffice) -> None:
    failed, done, queued = office.failed("extract"), office.done(), office.world.accept()
    with pytest.raises(JobUnfinished):
        office.retry(queued)
    with pytest.raises(JobFinished):
        office.retry(done)
    with pytest.raises(UnknownStage):
        office.replay(done, "translate")
    with pytest.raises(InputExpired):
        office.replay(failed, "store")
    with pytest.raises(JobNotFound):
        office.retry(new_job())
    office.records.broken["open_run"] = RecordsUnavailable("no answer")
    with pytest.raises(RecordsUnavailable):
        office.retry(failed)
    assert set(office.log) == {"open_run"}
