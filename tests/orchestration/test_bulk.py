from random import Random

import pytest

from orchestration.bulk import JOBS_PER_TURN, LANE, SAMPLE, BulkDesk, BulkWork
from pipeline.bulk import BulkAction, BulkItem, BulkOutcome, BulkState, BulkVerb
from pipeline.errors import BrokerUnavailable, RecordsUnavailable
from pipeline.job import Job, JobState, Lane, NewJob, priority_of
from pipeline.ports import JobFilter
from pipeline.runs import NewRun
from pipeline.shares import AT_ONCE
from stages.contract import Options
from tests.support.jobs import STAGES, TENANT, new_job
from tests.support.runs import RunOffice

FAILED = JobFilter(states=(JobState.FAILED,))


class BulkOffice(RunOffice):
    """Where actions on many jobs are asked for, and who carries them out."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.desk = BulkDesk(self.records, self.clock, Random(4))
        self.work = BulkWork(self.records, self.broker.app, self.clock, self.reruns)

    def failures(self, number: int) -> list[NewJob]:
        return [self.failed("extract") for _ in range(number)]

    def retry_all(self) -> BulkAction:
        return self.desk.record(TENANT, BulkVerb.RETRY, FAILED)

    def read(self, action: BulkAction) -> BulkAction:
        found: BulkAction = self.records.inner.bulk(TENANT, action.id)
        return found


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> BulkOffice:
    return BulkOffice(monkeypatch)


def test_a_turn_is_a_few_jobs_the_oldest_first(office: BulkOffice) -> None:
    jobs = office.failures(JOBS_PER_TURN + 5)
    action = office.retry_all()
    assert (action.total, action.created_at) == (len(jobs), office.clock.now())
    assert [office.work.turn() for _ in range(3)] == [JOBS_PER_TURN, 5, 0]
    at_once = [f"{job.id}:2:extract:0:1" for job in jobs[:AT_ONCE]]
    assert [message.id for message in office.broker.all_waiting()] == at_once
    (held,) = office.records.inner.flows()
    assert (held.lane, len(office.records.inner.admit({held: 99}))) == (LANE, len(jobs) - AT_ONCE)
    assert office.read(action).state is BulkState.FINISHED


def test_each_job_is_recorded_before_it_is_published(office: BulkOffice) -> None:
    office.failures(2)
    office.retry_all()
    office.log.clear()
    office.work.turn()
    assert office.log == ["bulk_items", "act", "publish extract", "act", "publish extract"]


def test_runs_travel_on_the_bulk_lane_whatever_the_lane_of_the_job(office: BulkOffice) -> None:
    job = office.failed("extract", lane=Lane.URGENT)
    office.retry_all()
    office.work.turn()
    (message,) = office.broker.all_waiting()
    assert message.priority == priority_of(Lane.BULK)
    assert [link["options"]["priority"] for link in message.embed["chain"]] == [priority_of(Lane.BULK)]
    assert office.world.read(job).lane is Lane.URGENT


def test_runs_whose_message_got_lost_come_back_on_the_bulk_lane(office: BulkOffice) -> None:
    job = office.failed("extract", lane=Lane.URGENT)
    office.retry_all()
    office.work.turn()
    office.records.inner.relaunch_all()
    (found,) = office.records.inner.unstarted(older_than_s=10_000, limit=10)
    assert (found.key.job_id, found.lane) == (job.id, Lane.BULK)


def test_a_replay_has_its_stage_and_options(office: BulkOffice) -> None:
    job, options = office.done(), Options(processing="detailed")
    office.desk.record(TENANT, BulkVerb.REPLAY, [job.id], from_stage="store", options=options)
    office.work.turn()
    read = office.world.read(job)
    assert (read.run, read.options) == (2, options)
    assert [message.id for message in office.broker.all_waiting()] == [f"{job.id}:2:store:0:1"]


def test_what_fails_is_not_published(office: BulkOffice) -> None:
    job = office.world.accept()
    action = office.desk.record(TENANT, BulkVerb.RETRY, [job.id, new_job().id])
    assert office.work.turn() == 2
    assert office.broker.all_waiting() == []
    assert office.read(action).counts == {BulkOutcome.FAILED: 2}


def test_without_a_broker_it_waits_and_the_job_it_was_at_is_left_to_the_keeper(office: BulkOffice) -> None:
    jobs = office.failures(3)
    action = office.retry_all()
    office.broker.is_down = True
    with pytest.raises(BrokerUnavailable):
        office.work.turn()
    (found,) = office.records.inner.unstarted(older_than_s=10_000, limit=10)
    assert (found.key.job_id, found.key.run) == (jobs[0].id, 2)
    assert office.read(action).counts == {BulkOutcome.DONE: 1, None: 2}
    office.broker.is_down = False
    assert office.work.turn() == 2


def test_without_the_records_it_waits(office: BulkOffice) -> None:
    office.failures(1)
    action = office.retry_all()
    office.records.broken["act"] = RecordsUnavailable("no answer")
    with pytest.raises(RecordsUnavailable):
        office.work.turn()
    assert office.read(action).counts == {None: 1}


def test_a_job_that_meets_a_defect_stands_in_nobodys_way(office: BulkOffice) -> None:
    poison, fine = office.failures(2)
    action = office.retry_all()
    act = office.records.inner.act

    def stumbling(item: BulkItem, new: NewRun) -> Job | None:
        if item.job_id == poison.id:
            raise KeyError("odd")
        return act(item, new)

    office.records.inner.act = stumbling
    assert [office.work.turn(), office.work.turn()] == [2, 0]
    ended = office.read(action)
    assert ended.reasons == {"internal_error": 1}
    assert [failure.job_id for failure in ended.failures] == [poison.id]
    assert (office.world.read(poison).run, office.world.read(fine).run) == (1, 2)


def test_an_aborted_action_has_no_turn(office: BulkOffice) -> None:
    office.failures(2)
    action = office.retry_all()
    office.clock.advance(5)
    aborted = office.desk.abort(TENANT, action.id)
    assert (aborted.state, aborted.finished_at) == (BulkState.ABORTED, office.clock.now())
    assert office.work.turn() == 0


def test_a_preview_counts_all_and_shows_the_newest(office: BulkOffice) -> None:
    jobs = office.failures(SAMPLE + 3)
    office.done()
    preview = office.desk.preview(TENANT, FAILED)
    assert preview.count == len(jobs)
    assert [job.id for job in preview.sample] == [job.id for job in jobs[: -SAMPLE - 1 : -1]]


def test_a_preview_of_ids_leaves_out_what_is_no_job_of_the_tenant(office: BulkOffice) -> None:
    job, theirs = office.done(), office.world.accept(tenant_id="theirs")
    preview = office.desk.preview(TENANT, [theirs.id, new_job().id, job.id])
    assert (preview.count, [each.id for each in preview.sample]) == (1, [job.id])
    assert preview.sample[0].stage_names == STAGES
