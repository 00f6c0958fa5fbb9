"""Records: what tenants may use, checked where it is recorded."""

from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from pipeline.batches import Rejection
from pipeline.errors import AlreadyAnswered, TooManyBytes, TooManyJobs
from pipeline.idempotency import IdempotencyKey
from pipeline.ids import Claim
from pipeline.job import JobSource, JobState
from pipeline.ports import JobFilter
from pipeline.runs import NewRun
from pipeline.shares import AT_ONCE
from pipeline.tenants import Allowance, Tenant
from tests.support.batches import chunk_of, jobs_of, open_batch, read_batch
from tests.support.jobs import TENANT, World, new_job
from tests.support.schedules import new_schedule
from tests.support.tools import START

DAY = timedelta(days=1)


@pytest.fixture
def records(world: World) -> Any:
    return world.records


def jobs_allowed(number: int) -> Allowance:
    return Allowance(jobs_in_flight=number)


def content(size: int) -> JobSource:
    return JobSource(body=Claim("default/j/1/source.0-ab", sha256(b"").hexdigest(), size, "text/html"))


def all_ids(records: Any, tenant_id: str = TENANT) -> set[str]:
    return {job.id for job in records.jobs(tenant_id, JobFilter(), before=None, limit=100).items}


def test_what_was_set_for_a_tenant_is_kept_until_it_is_set_again(records: Any) -> None:
    assert (records.tenant("a"), records.tenants()) == (None, [])
    first = Tenant("b", 3, {"jobs_in_flight": 5, "bytes_per_day": None}, START)
    records.set_tenant(first)
    records.set_tenant(Tenant("a", changed_at=START))
    assert records.tenant("b") == first
    assert [tenant.id for tenant in records.tenants()] == ["a", "b"]
    records.set_tenant(Tenant("b", 1, {}, START + DAY))
    assert records.tenant("b") == Tenant("b", 1, {}, START + DAY)


def test_a_job_too_many_is_not_recorded(world: World, records: Any) -> None:
    first, second = world.accept(), world.accept()
    world.hold(first)
    refused = new_job()
    with pytest.raises(TooManyJobs):
        records.accept(refused, None, jobs_allowed(2))
    assert all_ids(records) == {first.id, second.id}
    records.accept(new_job(tenant_id="theirs"), None, jobs_allowed(1))
    records.request_cancel(TENANT, second.id, START)
    records.accept(refused, None, jobs_allowed(2))
    assert refused.id in all_ids(records)


def test_held_jobs_count_as_well(world: World, records: Any) -> None:
    for _ in range(AT_ONCE + 2):
        records.accept(new_job(), None, jobs_allowed(AT_ONCE + 2))
    with pytest.raises(TooManyJobs):
        records.accept(new_job(), None, jobs_allowed(AT_ONCE + 2))


def test_a_refused_job_leaves_its_key_unused_and_an_answered_one_is_answered_again(records: Any) -> None:
    keys = [IdempotencyKey(TENANT, name, "f" * 64) for name in "ab"]
    first = new_job()
    records.accept(first, keys[0], jobs_allowed(1))
    with pytest.raises(AlreadyAnswered):
        records.accept(new_job(), keys[0], jobs_allowed(1))
    with pytest.raises(TooManyJobs):
        records.accept(new_job(), keys[1], jobs_allowed(1))
    records.request_cancel(TENANT, first.id, START)
    records.accept(new_job(), keys[1], jobs_allowed(1))


def test_a_run_too_many_is_not_opened(world: World, records: Any) -> None:
    failed = world.accept()
    world.fail(failed)
    world.accept()
    again = NewRun(None, None, deadline_at=START + DAY, at=START)
    with pytest.raises(TooManyJobs):
        records.open_run(TENANT, failed.id, again, allowed=jobs_allowed(1))
    assert world.read(failed).state is JobState.FAILED
    records.open_run(TENANT, failed.id, again, allowed=jobs_allowed(2))
    assert world.read(failed).state is JobState.QUEUED


def test_content_counts_by_the_day_it_was_submitted(records: Any) -> None:
    allowed = Allowance(bytes_per_day=100)
    late = START.replace(hour=23, minute=59, second=59)
    records.accept(new_job(source=content(60), created_at=late), None, allowed)
    refused = new_job(source=content(41), created_at=late)
    with pytest.raises(TooManyBytes) as raised:
        records.accept(refused, None, allowed)
    assert raised.value.retry_after_s <= 2
    assert refused.id not in all_ids(records)
    records.accept(new_job(source=content(40), created_at=late), None, allowed)
    records.accept(new_job(created_at=late), None, allowed)
    records.accept(new_job(source=content(100), created_at=late, tenant_id="theirs"), None, allowed)
    records.accept(new_job(source=content(100), created_at=late + timedelta(seconds=1)), None, allowed)


def test_sums_of_days_that_are_over_are_erased(records: Any) -> None:
    allowed = Allowance(bytes_per_day=100)
    for at in (START, START + DAY):
        records.accept(new_job(source=content(60), created_at=at), None, allowed)
    assert records.forget_intake(before=START + DAY) == 1
    assert records.forget_intake(before=START + DAY) == 0
    with pytest.raises(TooManyBytes):
        records.accept(new_job(source=content(60), created_at=START + DAY), None, allowed)


def test_a_batch_takes_what_there_is_room_for_and_says_what_it_did_not(world: World, records: Any) -> None:
    world.accept()
    batch = open_batch(records)
    jobs = jobs_of(batch, 4)
    refused = records.accept_many(batch, chunk_of(jobs, is_last=True), jobs_allowed(3))
    assert list(refused) == [job.id for job in jobs[2:]]
    seen = read_batch(records, batch)
    assert (seen.received, seen.accepted, seen.unended) == (4, 2, 2)
    text = "the tenant may have 3 jobs that have not ended"
    assert seen.rejections == (Rejection(2, "too_many_jobs", text), Rejection(3, "too_many_jobs", text))


def test_a_small_item_goes_in_where_a_large_one_does_not(records: Any) -> None:
    batch, allowed = open_batch(records), Allowance(bytes_per_day=100)
    large, small = (jobs_of(batch, 1, first=place, source=content(size))[0] for place, size in enumerate((101, 100)))
    refused = records.accept_many(batch, chunk_of([large, small]), allowed)
    assert list(refused) == [large.id]
    more = jobs_of(batch, 1, first=2, source=content(1))
    assert list(records.accept_many(batch, chunk_of(more, first=2, is_last=True), allowed)) == [more[0].id]
    assert {each.code for each in read_batch(records, batch).rejections} == {"too_many_bytes"}


def test_a_schedule_fires_nothing_where_there_is_no_room(world: World, records: Any) -> None:
    from tests.contracts.test_records_schedules import NEXT_AT, new_firing

    world.accept()
    schedule = new_schedule()
    records.add_schedule(schedule)
    job = new_job()
    with pytest.raises(TooManyJobs):
        records.fire(schedule, new_firing(schedule, job_id=job.id), job, NEXT_AT, jobs_allowed(1))
    assert records.schedule(TENANT, schedule.id) == schedule
    assert job.id not in all_ids(records)
    assert records.fire(schedule, new_firing(schedule, job_id=job.id), job, NEXT_AT, jobs_allowed(2))
