"""Who fires schedules, and what becomes of a firing that is cut off."""

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from orchestration.launcher import Launcher
from orchestration.orders import Order, order_from
from orchestration.schedules import DEFECT_PAUSE, FIRINGS_PER_TURN, TURN_S, Firer, ScheduleDesk, ScheduleWork
from orchestration.submit import Desk, Submission
from pipeline.definition import CATALOG
from pipeline.errors import InvalidSchedule, PayloadsUnavailable, RecordsUnavailable, ScheduleNotFound, UnknownPipeline
from pipeline.job import Job, Lane
from pipeline.memory import MemoryPayloads
from pipeline.ports import JobFilter
from pipeline.schedules import LATE_AFTER, MAX_CAUGHT_UP, CatchUp, Firing, JobSchedule, turn_of
from pipeline.terms import MAX_AHEAD, Schedule
from pipeline.timetable import Timetable
from stages.contract import Options
from tests.support.bench import Watched
from tests.support.jobs import TENANT
from tests.support.runs import DEADLINE_S, RunOffice
from tests.support.schedules import HOUR, HOURLY, TEXT, new_schedule
from tests.support.tools import START

MINUTE = timedelta(minutes=1)
WATER = Order((Submission(url="https://example.org/"),))


class ScheduleOffice(RunOffice):
    """Schedules, and who fires them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.payloads = Watched(MemoryPayloads(), self.log)
        self.jobs = Desk(
            catalog=CATALOG,
            records=self.records,
            payloads=self.payloads,
            app=self.broker.app,
            announcer=self.announcer,
            clock=self.clock,
            random=Random(3),
            job_deadline_s=DEADLINE_S,
        )
        self.work = ScheduleWork(self.records, self.jobs)
        self.desk = ScheduleDesk(self.records, self.jobs)
        self.launcher = Launcher(self.records, self.broker.app, self.announcer, self.clock, is_leading=lambda: True)

    def add(self, **about: Any) -> JobSchedule:
        schedule = new_schedule(**about)
        self.records.inner.add_schedule(schedule)
        return schedule

    def hourly(self, catch_up: CatchUp, hours_ago: float) -> JobSchedule:
        """Fires every hour, and was due for the first time so long ago."""
        schedule = self.add(catch_up=catch_up)
        self.clock.advance(3600 * (1 + hours_ago))
        return schedule

    def read(self, schedule: JobSchedule) -> JobSchedule:
        found: JobSchedule = self.records.inner.schedule(schedule.tenant_id, schedule.id)
        return found

    def firings(self, schedule: JobSchedule) -> list[Firing]:
        """The oldest first."""
        page = self.records.inner.firings(schedule.tenant_id, schedule.id, before=None, limit=1000)
        return list(page.items[::-1])

    def hours(self, schedule: JobSchedule) -> list[float]:
        """The times that were fired for, in hours since `START`."""
        return [(firing.due_at - START) / HOUR for firing in self.firings(schedule) if firing.due_at]

    def all_jobs(self) -> list[Job]:
        return list(self.records.inner.jobs(TENANT, JobFilter(), before=None, limit=1000).items)

    def launched(self) -> list[str]:
        """Ids of the jobs that were published, once all have had their turn."""
        while self.launcher.turn():
            pass
        return [message.kwargs["job_id"] for message in self.broker.all_waiting()]


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> ScheduleOffice:
    return ScheduleOffice(monkeypatch)


# firing


def test_nothing_fires_before_its_time(office: ScheduleOffice) -> None:
    office.add()
    office.clock.advance(3599)
    assert office.work.turn() == 0
    assert office.all_jobs() == []


def test_a_schedule_that_is_due_submits_its_job_once(office: ScheduleOffice) -> None:
    schedule = office.hourly(CatchUp.ONCE, 0)
    assert [office.work.turn(), office.work.turn()] == [1, 0]
    (job,) = office.all_jobs()
    assert (job.pipeline, job.tenant_id, job.created_at) == ("extract", TENANT, START + HOUR)
    assert office.payloads.inner.get(job.source.body) == b"Water falls."
    assert office.launched() == [job.id]
    (firing,) = office.firings(schedule)
    assert (firing.due_at, firing.fired_at, firing.job_id, firing.error) == (START + HOUR, START + HOUR, job.id, None)
    assert office.read(schedule).next_at == START + 2 * HOUR


def test_a_job_is_recorded_with_its_firing_and_left_to_the_launcher(office: ScheduleOffice) -> None:
    office.hourly(CatchUp.ONCE, 0)
    office.log.clear()
    office.work.turn()
    assert office.log == ["due_schedules", "schedule", "put", "fire"]
    assert [event.kind for event in office.announcer.told] == ["job.queued"]


def test_a_batch_is_launched_like_all_others(office: ScheduleOffice) -> None:
    items = [TEXT["job"], {**TEXT["job"], "lane": "bulk"}]
    schedule = office.add(submits={"batch": {"name": "two", "items": items}})
    office.clock.advance(3600)
    office.work.turn()
    (firing,) = office.firings(schedule)
    batch = office.records.inner.batch(TENANT, firing.batch_id)
    assert (batch.name, batch.accepted, batch.sealed_at) == ("two", 2, START + HOUR)
    jobs = office.all_jobs()[::-1]
    assert [(job.batch_id, job.batch_index, job.lane) for job in jobs] == [
        (batch.id, 0, Lane.NORMAL),
        (batch.id, 1, Lane.BULK),
    ]
    assert sorted(office.launched()) == [job.id for job in jobs]


def test_the_time_that_is_next_is_told_by_the_zone(office: ScheduleOffice) -> None:
    schedule = office.add(timetable=Timetable("30 2 * * *", None, "Europe/Berlin", START))
    for _ in range(100):
        office.clock.advance((office.read(schedule).next_at - office.clock.now()).total_seconds())
        assert office.work.turn() == 1
    local = {firing.due_at.isoformat()[:16] for firing in office.firings(schedule)}
    assert {"2026-03-28T01:30", "2026-03-29T01:30", "2026-03-30T00:30"} <= local
    assert len(local) == 100


# what was missed


@pytest.mark.parametrize("late_s", [0, 59])
@pytest.mark.parametrize("catch_up", CatchUp)
def test_a_time_that_is_hardly_late_was_not_missed(office: ScheduleOffice, catch_up: CatchUp, late_s: float) -> None:
    schedule = office.hourly(catch_up, late_s / 3600)
    assert office.work.turn() == 1
    assert office.hours(schedule) == [1]


def test_missed_times_are_dropped(office: ScheduleOffice) -> None:
    schedule = office.hourly(CatchUp.SKIP, 2.5)
    assert [office.work.turn(), office.work.turn()] == [0, 0]
    assert (office.hours(schedule), office.read(schedule).next_at) == ([], START + 4 * HOUR)
    office.clock.advance(1800)
    assert office.work.turn() == 1
    assert office.hours(schedule) == [4]


def test_of_missed_times_only_the_latest_is_fired_for_when_it_has_just_come(office: ScheduleOffice) -> None:
    schedule = office.hourly(CatchUp.SKIP, 2)
    assert [office.work.turn(), office.work.turn()] == [1, 0]
    assert office.hours(schedule) == [3]


def test_one_firing_stands_for_all_that_were_missed(office: ScheduleOffice) -> None:
    schedule = office.hourly(CatchUp.ONCE, 2.5)
    assert [office.work.turn(), office.work.turn()] == [1, 0]
    assert (office.hours(schedule), office.read(schedule).next_at) == ([3], START + 4 * HOUR)


def test_all_that_were_missed_are_made_up_for_in_order(office: ScheduleOffice) -> None:
    schedule = office.hourly(CatchUp.ALL, 2.5)
    assert [office.work.turn() for _ in range(4)] == [1, 1, 1, 0]
    assert (office.hours(schedule), office.read(schedule).next_at) == ([1, 2, 3], START + 4 * HOUR)


def test_no_more_than_a_hundred_are_made_up_for(office: ScheduleOffice) -> None:
    schedule = office.hourly(CatchUp.ALL, 500)
    while office.work.turn():
        pass
    assert office.hours(schedule) == list(range(502 - MAX_CAUGHT_UP, 502))


def test_what_is_over_is_not_caught_up_after_a_pause(office: ScheduleOffice) -> None:
    schedule = office.add(catch_up=CatchUp.ALL)
    office.desk.pause(TENANT, schedule.id)
    office.clock.advance(3600 * 2.5)
    assert office.work.turn() == 0
    assert office.desk.resume(TENANT, schedule.id).next_at == START + 3 * HOUR
    assert office.work.turn() == 0


def test_no_two_times_are_so_close_that_one_hides_the_other() -> None:
    schedule = new_schedule(timetable=replace(HOURLY, interval_s=60), catch_up=CatchUp.SKIP)
    turn = turn_of(replace(schedule, next_at=START + MINUTE), START + 2 * MINUTE - timedelta(seconds=1))
    assert (turn.due_at, turn.next_at) == (START + MINUTE, START + 2 * MINUTE)
    assert timedelta(seconds=60) >= LATE_AFTER


# what goes wrong


@pytest.mark.parametrize("step", ["due_schedules", "schedule", "put", "fire", "announce"])
def test_whoever_dies_at_any_step_loses_no_firing_and_doubles_none(
    office: ScheduleOffice, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    schedule = office.hourly(CatchUp.ONCE, 0)

    class Killed(BaseException):
        """No handler sees it, as none sees SIGKILL."""

    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    owner = {"put": office.payloads.inner, "announce": office.announcer}.get(step, office.records.inner)
    with monkeypatch.context() as dying:
        dying.setattr(owner, step, killed)
        with pytest.raises(Killed):
            office.work.turn()
    for _ in range(3):
        ScheduleWork(office.records, office.jobs).turn()
    (job,) = office.all_jobs()
    assert [(firing.due_at, firing.job_id) for firing in office.firings(schedule)] == [(START + HOUR, job.id)]
    assert office.launched() == [job.id]


def test_a_commit_that_nobody_heard_of_is_not_made_again(office: ScheduleOffice) -> None:
    schedule = office.hourly(CatchUp.ONCE, 0)
    fire = office.records.inner.fire

    def fire_and_lose_the_answer(*args: Any) -> bool:
        fire(*args)
        raise RecordsUnavailable("the connection was lost")

    office.records.inner.fire = fire_and_lose_the_answer
    with pytest.raises(RecordsUnavailable):
        office.work.turn()
    office.records.inner.fire = fire
    assert office.work.turn() == 0
    assert (office.hours(schedule), len(office.all_jobs())) == ([1], 1)


def test_two_keepers_fire_once_and_the_slower_one_leaves_nothing_behind(office: ScheduleOffice) -> None:
    schedule = office.hourly(CatchUp.ONCE, 0)
    seen, turn = office.read(schedule), turn_of(office.read(schedule), office.clock.now())
    both = [Firer(office.records, office.jobs).fire(seen, turn.due_at, turn.next_at) for _ in range(2)]
    assert both[0] is not None
    assert both[1] is None
    (job,) = office.all_jobs()
    assert office.launched() == [job.id]
    assert {key.split("/")[1] for key in office.payloads.inner.objects} == {job.id}


def test_a_pipeline_that_is_gone_is_told_and_the_schedule_goes_on(office: ScheduleOffice) -> None:
    broken = office.add(submits={"job": {**TEXT["job"], "pipeline": "gone"}})
    well = office.add()
    office.clock.advance(3600)
    assert office.work.turn() == 2
    (firing,) = office.firings(broken)
    assert (firing.job_id, firing.error.code) == (None, "unknown_pipeline")
    found = office.read(broken)
    assert (found.last_error, found.next_at) == (firing.error, START + 2 * HOUR)
    assert office.hours(well) == [1]
    assert len(office.all_jobs()) == 1


def test_items_that_are_refused_are_told_and_the_others_run(office: ScheduleOffice) -> None:
    items = [TEXT["job"], {**TEXT["job"], "pipeline": "gone"}]
    schedule = office.add(submits={"batch": {"name": None, "items": items}})
    office.clock.advance(3600)
    office.work.turn()
    (firing,) = office.firings(schedule)
    assert firing.error.code == "unknown_pipeline"
    assert "1 of 2" in firing.error.message
    assert office.records.inner.batch(TENANT, firing.batch_id).accepted == 1


def test_a_defect_is_told_and_stands_in_no_others_way(office: ScheduleOffice) -> None:
    broken, zoneless = office.add(submits={"job": {}}), office.add()
    unknown = replace(zoneless, timetable=Timetable("* * * * *", None, "Mars/Olympus", START), next_at=START)
    office.records.inner._schedules[zoneless.id] = unknown
    well = office.add()
    office.clock.advance(3600)
    assert office.work.turn() == 2
    assert office.read(broken).last_error.code == "internal_error"
    assert office.hours(well) == [1]
    assert office.read(zoneless).next_at == office.clock.now() + DEFECT_PAUSE


def test_while_contents_cannot_be_stored_only_schedules_that_have_some_wait(office: ScheduleOffice) -> None:
    waits, goes = office.add(), office.add(submits=WATER.document())
    office.clock.advance(3600)
    office.payloads.broken["put"] = PayloadsUnavailable("the disk is full")
    assert office.work.turn() == 1
    assert (office.hours(waits), office.hours(goes)) == ([], [1])
    office.payloads.broken.clear()
    assert office.work.turn() == 1
    assert office.hours(waits) == [1]


def test_a_schedule_fires_while_the_broker_is_away(office: ScheduleOffice) -> None:
    schedule = office.hourly(CatchUp.ONCE, 0)
    office.broker.is_down = True
    assert office.work.turn() == 1
    office.broker.is_down = False
    assert office.launched() == [office.firings(schedule)[0].job_id]


def test_a_turn_is_a_few_firings_and_short(office: ScheduleOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(FIRINGS_PER_TURN + 5):
        office.add()
    office.clock.advance(3600)
    assert [office.work.turn(), office.work.turn()] == [FIRINGS_PER_TURN, 5]
    office.clock.advance(3600)
    monkeypatch.setattr(office.announcer, "announce", lambda *_: office.clock.advance(TURN_S / 2))
    assert office.work.turn() == 2


# asking for schedules


def test_a_schedule_that_would_never_fire_is_refused(office: ScheduleOffice) -> None:
    for timetable in (
        Timetable("0 0 30 2 *", None, "UTC", START),
        replace(HOURLY, ends_at=START + MINUTE),
        replace(HOURLY, starts_at=START + MAX_AHEAD + MINUTE),
    ):
        with pytest.raises(InvalidSchedule):
            office.desk.create(TENANT, "never", timetable, CatchUp.ONCE, WATER)
    assert office.records.inner.schedules(TENANT, before=None, limit=1).items == ()


def test_a_schedule_for_an_unknown_pipeline_is_refused(office: ScheduleOffice) -> None:
    gone = Order((Submission(url="https://example.org/", pipeline="gone"),))
    with pytest.raises(UnknownPipeline):
        office.desk.create(TENANT, "gone", HOURLY, CatchUp.ONCE, gone)
    schedule = office.add()
    with pytest.raises(UnknownPipeline):
        office.desk.change(TENANT, schedule.id, order=gone)
    assert office.read(schedule) == schedule


def test_times_that_are_changed_count_from_then(office: ScheduleOffice) -> None:
    schedule = office.add()
    office.clock.advance(60)
    changed = office.desk.change(TENANT, schedule.id, times={"interval_s": 600})
    assert changed.next_at == START + 11 * MINUTE
    assert office.desk.change(TENANT, schedule.id, name="other").next_at == START + 11 * MINUTE


def test_a_firing_by_hand_is_at_once_and_also_while_it_is_paused(office: ScheduleOffice) -> None:
    schedule = office.add()
    office.desk.pause(TENANT, schedule.id)
    firing = office.desk.run(TENANT, schedule.id)
    (job,) = office.all_jobs()
    assert (firing.job_id, firing.due_at) == (job.id, None)
    assert office.firings(schedule) == [firing]
    assert office.launched() == [job.id]
    with pytest.raises(ScheduleNotFound):
        office.desk.run("theirs", schedule.id)


def test_what_is_submitted_is_read_as_it_was_kept() -> None:
    page = Submission(
        body="<p>Größe".encode(),
        content_type="text/html; charset=utf-8",
        stages=("extract", "store"),
        options=Options(processing="detailed", max_age_s=0, language="de", answer_schema={"type": "object"}),
        lane=Lane.URGENT,
        tenant_id=TENANT,
        tags=("a", "b"),
        metadata={"k": "v"},
        schedule=Schedule(delay_s=5),
        max_attempts=2,
    )
    empty = Submission(body=b"", content_type="text/plain; charset=utf-8", pipeline="extract", tenant_id=TENANT)
    for order in (Order((page,)), Order((page, empty), is_batch=True, batch_name="x"), Order((), is_batch=True)):
        assert order_from(order.document(), TENANT) == order
