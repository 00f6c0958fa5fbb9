"""Records: schedules, and the firings that submit what they say."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline.errors import ScheduleNotFound
from pipeline.job import NewJob, StageState
from pipeline.ports import JobFilter
from pipeline.schedules import (
    CatchUp,
    Firing,
    FiringError,
    JobSchedule,
    ScheduleChanges,
    ScheduleState,
)
from pipeline.timetable import Timetable
from tests.support.at_once import at_once
from tests.support.batches import admitted, chunk_of, new_batch
from tests.support.jobs import TENANT, World, new_job
from tests.support.schedules import HOUR, TEXT, new_firing, new_schedule
from tests.support.tools import START

UNKNOWN = "01a1fb67-1800-7226-b63c-5ab791b7584a"
BROKEN = FiringError("unknown_pipeline", 'there is no pipeline "x"')
ALL = JobFilter()
DUE_AT, NEXT_AT = START + HOUR, START + 2 * HOUR


@pytest.fixture
def records(world: World) -> Any:
    return world.records


def added(records: Any, **changes: Any) -> JobSchedule:
    schedule = new_schedule(**changes)
    records.add_schedule(schedule)
    return schedule


def read(records: Any, schedule: JobSchedule) -> JobSchedule:
    found: JobSchedule | None = records.schedule(schedule.tenant_id, schedule.id)
    assert found is not None
    return found


def firings(records: Any, schedule: JobSchedule) -> list[Firing]:
    return list(records.firings(schedule.tenant_id, schedule.id, before=None, limit=100).items)


def fired(records: Any, schedule: JobSchedule, **about: Any) -> tuple[bool, Firing, NewJob]:
    job = new_job()
    firing = new_firing(schedule, **{"job_id": job.id, **about})
    return records.fire(schedule, firing, job, NEXT_AT), firing, job


# schedules


def test_a_schedule_is_read_as_it_was_recorded(records: Any) -> None:
    timetable = Timetable("0 7 * * 1-5", None, "Europe/Berlin", START, START + HOUR, START + 999 * HOUR)
    schedule = added(records, timetable=timetable, catch_up=CatchUp.ALL, name="Früh")
    assert read(records, schedule) == schedule
    assert records.schedule(TENANT, schedule.id.upper()) == schedule
    assert records.schedule("theirs", schedule.id) is None
    assert records.schedule(TENANT, UNKNOWN) is None


def test_schedules_are_listed_in_pages_the_newest_first_without_what_they_submit(records: Any) -> None:
    first, second, third = (replace(added(records), submits={}) for _ in range(3))
    added(records, tenant_id="theirs")
    page = records.schedules(TENANT, before=None, limit=2)
    assert (page.items, page.more, page.last_id) == ((third, second), True, second.id)
    rest = records.schedules(TENANT, before=second.id, limit=2)
    assert (rest.items, rest.more) == ((first,), False)
    assert records.schedules(TENANT, before="nope", limit=2).items == ()


def test_what_is_given_is_changed_and_the_rest_stays(records: Any) -> None:
    schedule = added(records)
    nightly = Timetable("0 2 * * *", None, "UTC", START)
    for changes, changed in (
        (ScheduleChanges(), schedule),
        (ScheduleChanges(name="b", catch_up=CatchUp.SKIP), replace(schedule, name="b", catch_up=CatchUp.SKIP)),
        (
            ScheduleChanges(timetable=nightly, next_at=NEXT_AT, submits={"job": {"url": "x"}}),
            replace(
                schedule,
                name="b",
                catch_up=CatchUp.SKIP,
                timetable=nightly,
                next_at=NEXT_AT,
                submits={"job": {"url": "x"}},
            ),
        ),
    ):
        assert records.change_schedule(TENANT, schedule.id, changes) == changed == read(records, schedule)


def test_a_paused_schedule_is_not_due_until_it_is_resumed(records: Any) -> None:
    schedule = added(records)
    paused = records.pause_schedule(TENANT, schedule.id, START)
    assert (paused.state, paused.paused_at, paused.next_at) == (ScheduleState.PAUSED, START, None)
    assert records.pause_schedule(TENANT, schedule.id, START + HOUR) == paused
    assert records.change_schedule(TENANT, schedule.id, ScheduleChanges(None, schedule.timetable, NEXT_AT)) == paused
    assert records.due_schedules(START + 9 * HOUR, limit=9) == []
    resumed = records.resume_schedule(TENANT, schedule.id, NEXT_AT)
    assert (resumed.state, resumed.paused_at, resumed.next_at) == (ScheduleState.ACTIVE, None, NEXT_AT)
    assert records.resume_schedule(TENANT, schedule.id, START + 9 * HOUR) == resumed == read(records, schedule)


def test_an_erased_schedule_is_gone_with_its_firings_and_its_jobs_stay(world: World, records: Any) -> None:
    schedule = added(records)
    _, _, job = fired(records, schedule)
    records.delete_schedule(TENANT, schedule.id)
    assert records.schedule(TENANT, schedule.id) is None
    assert world.read(job).id == job.id
    assert records.forget_firings(before=START + 99 * HOUR) == 0


@pytest.mark.parametrize("tenant_id", [TENANT, "theirs"])
def test_what_is_not_there_is_not_found(records: Any, tenant_id: str) -> None:
    schedule_id = UNKNOWN if tenant_id == TENANT else added(records).id
    for act in (
        lambda: records.change_schedule(tenant_id, schedule_id, ScheduleChanges(name="x")),
        lambda: records.pause_schedule(tenant_id, schedule_id, START),
        lambda: records.resume_schedule(tenant_id, schedule_id, None),
        lambda: records.delete_schedule(tenant_id, schedule_id),
        lambda: records.firings(tenant_id, schedule_id, before=None, limit=1),
    ):
        with pytest.raises(ScheduleNotFound):
            act()


# firing


def test_schedules_are_due_when_their_time_has_come_the_one_that_waits_longest_first(records: Any) -> None:
    late, later = added(records, next_at=DUE_AT), added(records, next_at=DUE_AT - HOUR, tenant_id="theirs")
    added(records, next_at=None)
    assert records.due_schedules(DUE_AT - timedelta(seconds=1), limit=9) == [("theirs", later.id)]
    assert records.due_schedules(DUE_AT, limit=9) == [("theirs", later.id), (TENANT, late.id)]
    assert records.due_schedules(DUE_AT, limit=1) == [("theirs", later.id)]


def test_a_firing_is_recorded_with_its_job_and_the_next_time(world: World, records: Any) -> None:
    schedule = added(records)
    is_fired, firing, job = fired(records, schedule)
    assert is_fired
    assert firings(records, schedule) == [firing]
    assert (world.read(job).id, world.stage(job).state) == (job.id, StageState.WAITING)
    assert read(records, schedule) == replace(schedule, next_at=NEXT_AT, last_fired_at=DUE_AT)


def test_a_firing_is_recorded_with_its_batch(world: World, records: Any) -> None:
    schedule, batch = added(records), new_batch()
    jobs = [new_job(batch_id=batch.id, batch_index=index) for index in range(2)]
    firing = new_firing(schedule, batch_id=batch.id)
    assert records.fire(schedule, firing, (batch, chunk_of(jobs, is_last=True)), NEXT_AT)
    found = records.batch(TENANT, batch.id)
    assert (found.accepted, found.sealed_at) == (2, START)
    assert [each.job.id for each in admitted(records, batch)] == [job.id for job in jobs]
    assert firings(records, schedule) == [firing]


def test_a_firing_that_failed_is_told_of_the_schedule_until_one_succeeds(records: Any) -> None:
    schedule = added(records)
    failed = new_firing(schedule, error=BROKEN)
    assert records.fire(schedule, failed, None, NEXT_AT)
    assert firings(records, schedule) == [failed]
    assert read(records, schedule).last_error == BROKEN
    fired(records, read(records, schedule), due_at=NEXT_AT)
    assert read(records, schedule).last_error is None


def test_the_last_firing_ends_a_schedule(records: Any) -> None:
    schedule, job = added(records), new_job()
    assert records.fire(schedule, new_firing(schedule, job_id=job.id), job, None)
    assert read(records, schedule).state is ScheduleState.ENDED
    assert records.due_schedules(START + 99 * HOUR, limit=9) == []


def test_of_many_keepers_one_fires(world: World, records: Any) -> None:
    for _ in range(5):
        schedule = added(records)
        answers = at_once(*[lambda schedule=schedule: fired(records, schedule)] * 4)
        assert sorted(is_fired for is_fired, _, _ in answers) == [False, False, False, True]
        (job,) = [job for is_fired, _, job in answers if is_fired]
        assert [each.job_id for each in firings(records, schedule)] == [job.id]
    assert len(records.jobs(TENANT, ALL, before=None, limit=99).items) == 5


def test_who_read_the_schedule_before_it_changed_does_not_fire(records: Any) -> None:
    for change in (
        lambda schedule: records.pause_schedule(TENANT, schedule.id, START),
        lambda schedule: records.delete_schedule(TENANT, schedule.id),
        lambda schedule: records.change_schedule(
            TENANT, schedule.id, ScheduleChanges(timetable=schedule.timetable, next_at=NEXT_AT)
        ),
    ):
        schedule = added(records)
        change(schedule)
        assert fired(records, schedule)[0] is False
        assert records.pass_over(schedule, NEXT_AT) is False
    assert records.jobs(TENANT, ALL, before=None, limit=9).items == ()


def test_no_time_is_fired_for_twice_though_a_clock_went_back(records: Any) -> None:
    schedule = added(records)
    fired(records, schedule)
    records.change_schedule(TENANT, schedule.id, ScheduleChanges(timetable=schedule.timetable, next_at=DUE_AT))
    assert fired(records, schedule)[0] is False
    assert read(records, schedule).next_at == NEXT_AT
    assert len(firings(records, schedule)) == len(records.jobs(TENANT, ALL, before=None, limit=9).items) == 1


def test_times_may_pass_without_a_firing(records: Any) -> None:
    schedule = added(records)
    assert records.pass_over(schedule, NEXT_AT) is True
    assert read(records, schedule) == replace(schedule, next_at=NEXT_AT)
    assert firings(records, schedule) == []


def test_a_firing_by_hand_changes_no_plan_and_needs_none(records: Any) -> None:
    schedule = added(records)
    paused = added(records)
    records.pause_schedule(TENANT, paused.id, START)
    for each in (schedule, schedule, paused):
        assert fired(records, each, due_at=None)[0]
    assert read(records, schedule) == replace(schedule, last_fired_at=START)
    assert read(records, paused).next_at is None
    assert [each.due_at for each in firings(records, schedule)] == [None, None]
    records.delete_schedule(TENANT, schedule.id)
    assert fired(records, schedule, due_at=None)[0] is False


def test_firings_are_listed_in_pages_and_go_after_their_time(records: Any) -> None:
    schedule, theirs = added(records), added(records)
    for hour in range(3):
        found = read(records, schedule)
        assert records.fire(found, new_firing(found, START + hour * HOUR), None, START + hour * HOUR + HOUR)
    fired(records, theirs)
    page = records.firings(TENANT, schedule.id, before=None, limit=2)
    assert ([each.due_at for each in page.items], page.more) == ([START + 2 * HOUR, START + HOUR], True)
    rest = records.firings(TENANT, schedule.id, before=page.last_id, limit=2)
    assert ([each.due_at for each in rest.items], rest.more) == ([START], False)
    assert records.firings(TENANT, schedule.id, before="nope", limit=2).items == ()
    assert records.forget_firings(before=START + HOUR) == 1
    assert len(firings(records, schedule)) == 2


def test_what_it_submits_may_hold_any_character(records: Any) -> None:
    schedule = added(records, submits={"job": {**TEXT["job"], "text": "a\0b ✓"}})
    assert read(records, schedule).submits["job"]["text"] == "a\0b ✓"
