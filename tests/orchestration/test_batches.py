"""The keeper launches the jobs of batches in turn, through a window for each."""

from datetime import timedelta
from typing import Any

import pytest

from orchestration.batches import AT_ONCE, LAUNCHES_PER_TURN, WINDOW, BatchWork
from pipeline.batches import Batch
from pipeline.errors import BrokerUnavailable, RecordsUnavailable
from pipeline.job import JobState, Lane, NewJob, StageState, priority_of
from pipeline.terms import JobTerms
from tests.support.batches import chunk_of, full_batch, jobs_of, open_batch
from tests.support.jobs import STAGES
from tests.support.runs import RunOffice
from tests.support.tools import START


class BatchOffice(RunOffice):
    """Batches as they were received, and who launches their jobs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.work = BatchWork(self.records, self.broker.app, self.announcer, self.clock)

    def batch(self, number: int, **about: Any) -> tuple[Batch, list[NewJob]]:
        return full_batch(self.records.inner, number, **about)

    def launched(self) -> list[str]:
        """Ids of the jobs whose first message is in the queue, the oldest job first: several publish at once."""
        return sorted(message.kwargs["job_id"] for message in self.broker.all_waiting())


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> BatchOffice:
    return BatchOffice(monkeypatch)


def test_a_turn_launches_some_in_the_order_of_the_items(office: BatchOffice) -> None:
    _, jobs = office.batch(LAUNCHES_PER_TURN + 5)
    assert [office.work.turn() for _ in range(3)] == [LAUNCHES_PER_TURN, 5, 0]
    assert office.launched() == [job.id for job in jobs]
    assert [event.topic.job_id for event in office.announcer.told] == [job.id for job in jobs]
    assert {event.kind for event in office.announcer.told} == {"job.queued"}


def test_jobs_are_admitted_before_they_are_published(office: BatchOffice) -> None:
    office.batch(1)
    office.log.clear()
    office.work.turn()
    assert office.log == ["batches_at_work", "admit", "publish fetch", "admit"]


def test_each_job_travels_on_its_own_lane(office: BatchOffice) -> None:
    office.batch(1)
    office.work.turn()
    (message,) = office.broker.all_waiting()
    assert message.priority == priority_of(Lane.NORMAL)
    assert message.id.endswith(":1:fetch:0:1")


def test_no_more_than_a_window_of_a_batch_is_in_flight(office: BatchOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.batches.WINDOW", 10)
    _, jobs = office.batch(30)
    assert [office.work.turn(), office.work.turn()] == [10, 0]
    for job in jobs[:4]:
        office.world.do(job, *STAGES)
    assert office.work.turn() == 4
    assert office.launched() == [job.id for job in jobs[:14]]
    assert WINDOW >= 2 * LAUNCHES_PER_TURN


def test_jobs_that_are_due_later_take_no_place_and_are_launched_then(
    office: BatchOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.batches.WINDOW", 10)
    batch = open_batch(office.records.inner)
    later = jobs_of(batch, 10, terms=JobTerms(not_before=START + timedelta(seconds=60)))
    at_once = jobs_of(batch, 10, first=10)
    office.records.inner.accept_many(batch, chunk_of([*later, *at_once], is_last=True))
    assert [office.work.turn(), office.work.turn()] == [10, 0]
    assert office.launched() == [job.id for job in at_once]
    for job in at_once:
        office.world.do(job, *STAGES)
    assert office.work.turn() == 0
    office.clock.advance(60)
    assert office.work.turn() == 10
    assert office.launched() == [job.id for job in (*later, *at_once)]
    office.world.do(later[0], *STAGES)


def test_batches_share_a_turn_and_a_small_one_leaves_its_share(office: BatchOffice) -> None:
    (big, _), (small, _), (late, _) = (
        office.batch(number, created_at=START + timedelta(seconds=age)) for age, number in enumerate((1000, 10, 1000))
    )
    office.work.turn()
    in_flight = {work.id: work.in_flight for work in office.records.inner.batches_at_work()}
    third = -(-LAUNCHES_PER_TURN // 3)
    assert in_flight == {big.id: third, late.id: LAUNCHES_PER_TURN - third - 10}
    assert small.id not in in_flight


def test_without_a_broker_what_was_admitted_is_left_to_the_keeper(office: BatchOffice) -> None:
    _, jobs = office.batch(AT_ONCE + 5)
    office.broker.is_down = True
    with pytest.raises(BrokerUnavailable):
        office.work.turn()
    found = office.records.inner.unstarted(older_than_s=10_000, limit=1000)
    assert [suspect.key.job_id for suspect in found] == [job.id for job in jobs[:AT_ONCE]]
    assert office.announcer.told == []
    office.broker.is_down = False
    assert office.work.turn() == 5


def test_without_the_records_it_waits(office: BatchOffice) -> None:
    _, (job,) = office.batch(1)
    office.records.broken["admit"] = RecordsUnavailable("no answer")
    with pytest.raises(RecordsUnavailable):
        office.work.turn()
    assert office.world.stage(job).state is StageState.WAITING


def test_a_cancelled_batch_launches_nothing_and_is_cleared_away(
    office: BatchOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.batches.CANCELS_PER_TURN", 1)
    batch, jobs = office.batch(20)
    office.records.inner.admit(batch.id, limit=3)
    office.world.do(jobs[0], *STAGES)
    office.records.inner.cancel_batch(batch.tenant_id, batch.id, office.clock.now())
    assert [office.work.turn() for _ in range(5)] == [18, 1, 0, 0, 0]
    assert {office.world.read(job).state for job in jobs[1:]} == {JobState.CANCELLED}
    assert [event.kind for event in office.announcer.told] == ["job.cancelled"] * 19
    assert office.launched() == []
    assert office.records.inner.batches_at_work() == []
