"""Held runs are launched in turn, as fast as workers take them."""

from datetime import timedelta
from threading import Event
from typing import Any

import pytest

from orchestration.launcher import KNOWN_FOR_S, LAUNCHES_PER_TURN, Launcher, launching
from pipeline.batches import Batch
from pipeline.errors import BrokerUnavailable, RecordsUnavailable
from pipeline.job import JobState, Lane, NewJob, StageState, priority_of
from pipeline.queues import Worker
from pipeline.runs import NewRun
from pipeline.shares import AT_ONCE, LEAST_WAITING, MOST_LAUNCHED
from pipeline.terms import JobTerms
from tests.support.batches import chunk_of, full_batch, jobs_of, open_batch
from tests.support.jobs import STAGES, TENANT
from tests.support.runs import RunOffice
from tests.support.tools import START
from tests.support.waiting import until


class LaunchOffice(RunOffice):
    """Runs that are held back, and who launches them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.is_leading = True
        self.launcher = Launcher(
            self.records, self.broker.app, self.announcer, self.clock, is_leading=lambda: self.is_leading
        )

    def batch(self, number: int, **about: Any) -> tuple[Batch, list[NewJob]]:
        return full_batch(self.records.inner, number, **about)

    def man(self, concurrency: int, *stages: str) -> None:
        """Have a worker of each of these stages that makes so many attempts at once."""
        for stage in stages or STAGES:
            now = self.clock.now()
            worker = Worker(f"{stage}@host", (stage,), "host", 1, now, now, concurrency=concurrency)
            self.records.inner.check_in(worker, lease_s=10_000)

    def launched(self) -> list[str]:
        """Ids of the jobs whose first message is in the queue, the oldest job first: several publish at once."""
        return sorted(message.kwargs["job_id"] for message in self.broker.all_waiting())

    def waiting(self, tenant_id: str = TENANT) -> int:
        loads = self.records.inner.loads()
        return sum(load.waiting for load in loads if load.tenant_id == tenant_id)


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> LaunchOffice:
    return LaunchOffice(monkeypatch)


def test_a_turn_launches_some_in_the_order_of_the_items(office: LaunchOffice) -> None:
    _, jobs = office.batch(LAUNCHES_PER_TURN + 5)
    assert [office.launcher.turn() for _ in range(3)] == [LAUNCHES_PER_TURN, 5, 0]
    assert office.launched() == [job.id for job in jobs]
    assert [event.topic.job_id for event in office.announcer.told] == [job.id for job in jobs]
    assert {event.kind for event in office.announcer.told} == {"job.queued"}


def test_runs_are_admitted_before_they_are_published(office: LaunchOffice) -> None:
    office.batch(1)
    office.log.clear()
    office.launcher.turn()
    assert office.log[-2:] == ["admit", "publish fetch"]


def test_each_job_travels_on_its_own_lane(office: LaunchOffice) -> None:
    office.batch(1)
    office.launcher.turn()
    (message,) = office.broker.all_waiting()
    assert message.priority == priority_of(Lane.NORMAL)
    assert message.id.endswith(":1:fetch:0:1")


def test_a_run_that_was_opened_again_begins_where_it_is_to(office: LaunchOffice) -> None:
    job = office.world.accept()
    office.world.do(job, STAGES[0])
    office.world.fail(job, STAGES[1])
    for _ in range(AT_ONCE):
        office.world.accept()
    again = NewRun(None, None, deadline_at=START + timedelta(days=1), at=START)
    office.records.inner.open_run(TENANT, job.id, again)
    assert office.launcher.turn() == 1
    (message,) = office.broker.all_waiting()
    assert message.id == f"{job.id}:2:{STAGES[1]}:0:1"
    # It was announced when it was opened.
    assert office.announcer.told == []


def test_no_more_wait_than_workers_take_soon(office: LaunchOffice) -> None:
    office.man(concurrency=4)
    _, jobs = office.batch(100)
    assert [office.launcher.turn(), office.launcher.turn()] == [LEAST_WAITING, 0]
    for job in jobs[:3]:
        office.world.do(job, *STAGES)
    assert office.launcher.turn() == 3
    assert office.launched() == [job.id for job in jobs[: LEAST_WAITING + 3]]


def test_what_waits_at_a_later_stage_counts_as_well(office: LaunchOffice) -> None:
    office.man(100, "fetch", "store")
    office.man(1, "extract")
    _, jobs = office.batch(100)
    office.launcher.turn()
    for job in jobs[:LEAST_WAITING]:
        office.world.do(job, "fetch")
    assert office.launcher.turn() == 0
    office.world.do(jobs[0], "extract")
    assert office.launcher.turn() == 1


def test_more_may_wait_where_more_is_done(office: LaunchOffice) -> None:
    office.man(concurrency=1)
    _, jobs = office.batch(1000)
    done, launched = 0, 0
    while launched <= 2 * LEAST_WAITING:
        launched = office.launcher.turn()
        assert launched >= LEAST_WAITING
        for job in jobs[done : done + launched]:
            office.world.do(job, *STAGES)
        done += launched
        office.clock.advance(0.1)


def test_more_may_wait_where_turns_come_late(office: LaunchOffice) -> None:
    office.man(concurrency=1)
    _, jobs = office.batch(1000)
    done, launched = 0, []
    for _ in range(9):
        launched.append(office.launcher.turn())
        for job in jobs[done : done + launched[-1]]:
            office.world.do(job, *STAGES)
        done += launched[-1]
        office.clock.advance(2)
    # All was done each time before anybody looked again.
    assert launched[0] == LEAST_WAITING
    assert launched[-1] == LAUNCHES_PER_TURN


def test_workers_that_come_are_noticed(office: LaunchOffice) -> None:
    office.man(concurrency=4)
    office.batch(100)
    assert office.launcher.turn() == 8
    office.man(concurrency=20)
    office.clock.advance(KNOWN_FOR_S)
    assert office.launcher.turn() == 32


def test_a_stage_that_is_paused_or_has_no_workers_holds_up_no_other(office: LaunchOffice) -> None:
    office.man(4, "fetch", "extract")
    office.records.inner.pause("extract", START)
    _, jobs = office.batch(MOST_LAUNCHED + 50)
    done = 0
    while launched := office.launcher.turn():
        for job in jobs[done : done + launched]:
            office.world.do(job, "fetch")
        done += launched
    # But there is an end to it.
    assert done == MOST_LAUNCHED
    office.batch(5, tenant_id="other")
    assert office.launcher.turn() == 5


def test_tenants_have_turns_alike_and_one_that_comes_new_the_first(office: LaunchOffice) -> None:
    office.man(concurrency=6)
    office.batch(500)
    office.batch(500, tenant_id="other")
    office.launcher.turn()
    assert (office.waiting(), office.waiting("other")) == (6, 6)
    _, (single,) = office.batch(1, tenant_id="small")
    assert office.launcher.turn() == 0
    office.man(concurrency=8)
    office.clock.advance(KNOWN_FOR_S)
    office.launcher.turn()
    assert office.world.stage(single).state is StageState.READY


def test_batches_of_a_tenant_and_its_single_jobs_have_turns_alike(office: LaunchOffice) -> None:
    office.man(concurrency=15)
    for _ in range(AT_ONCE):
        office.world.accept(lane=Lane.BULK)
    singles = [office.world.accept(lane=Lane.BULK) for _ in range(3)]
    (_, first), (_, second) = (office.batch(100, created_at=START + timedelta(seconds=age)) for age in range(2))
    office.launcher.turn()
    launched = office.launched()
    assert [len([job for job in batch if job.id in launched]) for batch in (first, second)] == [15, 15]
    assert {job.id for job in singles} <= set(launched)


def test_jobs_that_are_due_later_take_no_place_and_are_launched_then(office: LaunchOffice) -> None:
    batch = open_batch(office.records.inner)
    later = jobs_of(batch, 10, terms=JobTerms(not_before=START + timedelta(seconds=60)))
    at_once = jobs_of(batch, 10, first=10)
    office.records.inner.accept_many(batch, chunk_of([*later, *at_once], is_last=True))
    assert [office.launcher.turn(), office.launcher.turn()] == [10, 0]
    assert office.launched() == [job.id for job in at_once]
    office.clock.advance(60)
    assert office.launcher.turn() == 10
    office.world.do(later[0], *STAGES)


def test_without_a_broker_what_was_admitted_is_left_to_the_keeper(office: LaunchOffice) -> None:
    _, jobs = office.batch(LAUNCHES_PER_TURN + 5)
    office.broker.is_down = True
    with pytest.raises(BrokerUnavailable):
        office.launcher.turn()
    found = office.records.inner.unstarted(older_than_s=10_000, limit=1000)
    assert [suspect.key.job_id for suspect in found] == [job.id for job in jobs[:LAUNCHES_PER_TURN]]
    assert office.announcer.told == []
    office.broker.is_down = False
    assert office.launcher.turn() == 5


def test_without_the_records_it_waits(office: LaunchOffice) -> None:
    _, (job,) = office.batch(1)
    office.records.broken["admit"] = RecordsUnavailable("no answer")
    with pytest.raises(RecordsUnavailable):
        office.launcher.turn()
    assert office.world.stage(job).state is StageState.WAITING


def test_only_the_leading_one_has_turns_and_a_failure_ends_none(
    office: LaunchOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.launcher.PATIENCE_S", 0.01)
    _, (job,) = office.batch(1)
    office.is_leading = False
    office.records.broken["flows"] = RecordsUnavailable("no answer")
    stop = Event()
    thread = launching(office.launcher, stop)
    try:
        office.is_leading = True
        until(lambda: "flows" in office.log, within_s=5, what="a turn")
        assert office.launched() == []
        del office.records.broken["flows"]
        until(lambda: office.launched() == [job.id], within_s=5, what="a launch")
    finally:
        stop.set()
        thread.join(5)
    assert not thread.is_alive()
    assert office.world.read(job).state is JobState.QUEUED
