from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from orchestration.retention import JOBS_PER_TURN, KEYS_PER_TURN, ROUND_S, Retirement
from orchestration.submit import purge
from pipeline.cached_pages import PageKey
from pipeline.errors import PayloadsUnavailable, RecordsUnavailable, TooManyBytes
from pipeline.idempotency import IdempotencyKey
from pipeline.ids import Claim
from pipeline.job import JobSource, NewJob
from pipeline.memory import MemoryPayloads, MemoryRecords
from pipeline.ports import Finished, Retention
from pipeline.queues import Worker
from pipeline.runs import NewRun
from pipeline.tenants import Allowance
from tests.contracts.test_records_cached_pages import new_page
from tests.support.bench import Watched
from tests.support.jobs import BROKEN, STAGES, TENANT, World, new_job
from tests.support.schedules import new_firing, new_schedule
from tests.support.tools import ManualClock
from tests.support.webhooks import new_webhook

HOUR_S, DAY_S = 3600.0, 86_400.0
OLDER = Retention(results_s=30 * DAY_S, intermediates_s=DAY_S, dead_letters_s=90 * DAY_S)


class Attic:
    """Records and payloads, and who clears them out, on a clock that is moved by hand."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.clock = ManualClock()
        self.records = Watched(MemoryRecords(self.clock), self.log)
        self.payloads = Watched(MemoryPayloads(), self.log)
        self.world = World(self.records.inner, self.clock.advance)
        self.retirement = self.another()

    def another(self) -> Retirement:
        return Retirement(self.records, self.payloads, self.clock, OLDER, orphan_grace_s=DAY_S)

    def job(self, *stages: str) -> NewJob:
        """A job of which these stages are done, each with an object."""
        job = self.world.accept()
        for stage in stages:
            hold = self.world.hold(job, stage)
            claim = self.payloads.inner.put(f"{TENANT}/{job.id}/1/{stage}.0", stage.encode(), "text/plain")
            assert self.records.inner.complete(hold, claim, Finished(self.clock.now(), 1.0))
        return job

    def failed(self) -> NewJob:
        job = self.job("fetch")
        hold = self.world.hold(job, "extract")
        assert self.records.inner.fail(hold, BROKEN, spends=True, ended=Finished(self.clock.now(), 1.0))
        return job

    def orphan(self) -> str:
        """An old object of a job that the records do not know."""
        job = new_job()
        self.payloads.inner.put(f"{TENANT}/{job.id}/1/fetch.0", b"left", "text/plain")
        self.age()
        return job.id

    def age(self) -> None:
        """Make all objects as old as can be: the store goes by a clock of its own."""
        self.payloads.inner.written_at_s = dict.fromkeys(self.payloads.inner.written_at_s, float("-inf"))

    def kept(self, job: NewJob | str) -> list[str]:
        """The stages whose objects are kept."""
        job_id = job if isinstance(job, str) else job.id
        found = [key for key in self.payloads.inner.objects if f"/{job_id}/" in f"/{key}"]
        return [key.rsplit("/", 1)[1].partition(".")[0] for key in found]

    def is_known(self, job: NewJob) -> bool:
        return self.records.inner.job(TENANT, job.id) is not None

    def turns(self, number: int = 3) -> int:
        return sum(self.retirement.turn() for _ in range(number))


@pytest.fixture
def attic() -> Attic:
    return Attic()


def test_nothing_goes_before_its_time(attic: Attic) -> None:
    done, failed = attic.job(*STAGES), attic.failed()
    attic.clock.advance(DAY_S - 1)
    assert attic.turns() == 0
    assert (attic.kept(done), attic.kept(failed)) == (list(STAGES), ["fetch"])


def test_outputs_go_first_and_the_result_stays(attic: Attic) -> None:
    done, failed, running = attic.job(*STAGES), attic.failed(), attic.job("fetch")
    attic.clock.advance(DAY_S)
    assert attic.turns() == 2
    assert attic.kept(done) == ["store"]
    assert attic.world.read(done).result is not None
    assert attic.kept(failed) == attic.kept(running) == ["fetch"]


def test_then_the_job_goes_and_a_failed_one_later(attic: Attic) -> None:
    done, failed, running = attic.job(*STAGES), attic.failed(), attic.job("fetch")
    attic.clock.advance(30 * DAY_S)
    attic.turns()
    assert (attic.is_known(done), attic.kept(done)) == (False, [])
    assert (attic.is_known(failed), attic.kept(failed)) == (True, ["fetch"])
    attic.clock.advance(60 * DAY_S)
    attic.turns()
    assert (attic.is_known(failed), attic.kept(failed)) == (False, [])
    assert (attic.is_known(running), attic.kept(running)) == (True, ["fetch"])


def test_the_row_goes_before_the_objects(attic: Attic) -> None:
    attic.job(*STAGES)
    attic.clock.advance(DAY_S)
    attic.turns()
    assert attic.log.index("expire_payloads") < attic.log.index("delete")
    attic.clock.advance(30 * DAY_S)
    attic.turns()
    assert attic.log.index("purge_expired") < attic.log.index("delete_job")


def test_a_turn_is_a_few_jobs(attic: Attic) -> None:
    jobs = [attic.failed() for _ in range(JOBS_PER_TURN + 1)]
    attic.clock.advance(90 * DAY_S)
    assert attic.retirement.turn() == JOBS_PER_TURN
    assert sum(attic.is_known(job) for job in jobs) == 1


@pytest.mark.parametrize("ends", [False, True])
def test_what_runs_again_in_the_last_moment_stays(attic: Attic, ends: bool) -> None:
    job = attic.failed()
    attic.clock.advance(90 * DAY_S)
    look = attic.records.inner.expired_jobs

    def seen_and_then_retried(*args: Any) -> Any:
        found = look(*args)
        now = attic.clock.now()
        attic.records.inner.open_run(TENANT, job.id, NewRun(None, None, deadline_at=now, at=now))
        if ends:
            attic.world.do(job, "extract", "store", run=2, at=now)
        return found

    attic.records.inner.expired_jobs = seen_and_then_retried
    assert attic.retirement.turn() == 0
    assert (attic.is_known(job), attic.kept(job)) == (True, ["fetch"])


def test_objects_of_no_job_go_once_the_database_is_old_enough_to_know(attic: Attic) -> None:
    kept, orphan = attic.job("fetch"), attic.orphan()
    attic.age()
    attic.turns()
    attic.clock.advance(DAY_S - 1)
    attic.turns()
    assert attic.kept(orphan) == ["fetch"]
    attic.clock.advance(HOUR_S)
    assert attic.turns() == 1
    assert (attic.kept(orphan), attic.kept(kept)) == ([], ["fetch"])


def test_a_keeper_on_another_database_deletes_nothing(attic: Attic) -> None:
    done = attic.job(*STAGES)
    attic.age()
    attic.turns()
    attic.clock.advance(HOUR_S)
    attic.records = Watched(MemoryRecords(attic.clock), attic.log)
    attic.retirement = attic.another()
    assert attic.turns() == 0
    assert attic.kept(done) == list(STAGES)


def test_the_store_is_looked_through_once_an_hour_and_a_little_at_a_time(
    attic: Attic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.retention.LOOKED_AT_PER_TURN", 2)
    attic.turns()
    attic.clock.advance(DAY_S)
    orphans = [attic.orphan() for _ in range(5)]
    attic.log.clear()
    assert [attic.retirement.turn() for _ in range(5)] == [0, 2, 2, 1, 0]
    assert attic.log.count("jobs") == attic.log.count("sweep") == 1
    assert not any(attic.kept(orphan) for orphan in orphans)
    attic.clock.advance(ROUND_S)
    attic.turns()
    assert attic.log.count("jobs") == 2


@pytest.mark.parametrize("broken", ["delete", "delete_job", "jobs", "sweep"])
def test_without_the_payload_store_the_turn_ends_and_the_rest_is_found_again(attic: Attic, broken: str) -> None:
    attic.turns()
    done, failed = attic.job(*STAGES), attic.failed()
    attic.age()
    attic.clock.advance(90 * DAY_S)
    attic.payloads.broken[broken] = PayloadsUnavailable("not mounted")
    attic.turns()
    del attic.payloads.broken[broken]
    attic.clock.advance(ROUND_S)
    attic.turns()
    assert (attic.kept(done), attic.kept(failed)) == ([], [])


@pytest.mark.parametrize("has_store", [True, False])
def test_old_keys_go_a_thousand_a_turn(attic: Attic, has_store: bool) -> None:
    for number in range(KEYS_PER_TURN + 1):
        key = IdempotencyKey(TENANT, f"{number}", "ab" * 32)
        attic.records.inner.accept(new_job(created_at=attic.clock.now()), key)
    if not has_store:
        attic.payloads.broken["sweep"] = PayloadsUnavailable("not mounted")
    assert attic.turns() == 0
    attic.clock.advance(DAY_S)
    assert [attic.retirement.turn() for _ in range(3)] == [KEYS_PER_TURN, 1, 0]


def test_deliveries_to_webhooks_go_after_thirty_days(attic: Attic) -> None:
    webhook = new_webhook()
    attic.records.inner.add_webhook(webhook)
    attic.failed()

    def kept() -> int:
        return len(attic.records.inner.deliveries(TENANT, webhook.id, before=None, limit=9).items)

    attic.turns()
    attic.clock.advance(30 * DAY_S)
    attic.turns()
    assert kept() == 1
    attic.clock.advance(ROUND_S)
    attic.turns()
    assert kept() == 0


def test_without_the_records_nothing_goes(attic: Attic) -> None:
    done = attic.job(*STAGES)
    attic.clock.advance(90 * DAY_S)
    attic.records.broken["expire_payloads"] = RecordsUnavailable("no answer")
    with pytest.raises(RecordsUnavailable):
        attic.retirement.turn()
    assert attic.kept(done) == list(STAGES)


def test_a_purge_without_the_payload_store_leaves_orphans(attic: Attic) -> None:
    attic.turns()
    done = attic.job(*STAGES)
    attic.age()
    attic.payloads.broken["delete_job"] = PayloadsUnavailable("not mounted")
    purge(attic.records, attic.payloads, TENANT, done.id)
    assert (attic.is_known(done), attic.kept(done)) == (False, list(STAGES))
    del attic.payloads.broken["delete_job"]
    attic.clock.advance(DAY_S)
    attic.turns()
    assert attic.kept(done) == []


def test_each_round_forgets_workers_that_died() -> None:
    attic = Attic()
    now = attic.clock.now()
    attic.records.check_in(Worker("fetch-7@host", ("fetch",), "host", 7, started_at=now, seen_at=now), lease_s=10)
    attic.clock.advance(11)
    attic.retirement.turn()
    assert attic.records.forget_workers() == 0


def test_what_was_submitted_in_a_day_is_forgotten_when_it_counts_no_more(attic: Attic) -> None:
    body = Claim(f"{TENANT}/j/1/source.0-ab", "ab" * 32, 60, "text/html")
    new = new_job(source=JobSource(body=body), created_at=attic.clock.now())
    attic.records.inner.accept(new, None, Allowance(bytes_per_day=100))
    attic.turns()
    with pytest.raises(TooManyBytes):
        attic.records.inner.accept(replace(new, id=new_job().id), None, Allowance(bytes_per_day=100))
    attic.clock.advance(2 * DAY_S)
    attic.turns()
    assert attic.records.inner.forget_intake(before=attic.clock.now()) == 0


def test_firings_go_after_their_time(attic: Attic) -> None:
    schedule = new_schedule()
    attic.records.inner.add_schedule(schedule)
    attic.records.inner.fire(schedule, new_firing(schedule, None), None, None)
    attic.clock.advance(30 * DAY_S)
    attic.turns()
    assert len(attic.records.inner.firings(TENANT, schedule.id, before=None, limit=9).items) == 1
    attic.clock.advance(3600 + 1)
    attic.turns()
    assert attic.records.inner.firings(TENANT, schedule.id, before=None, limit=9).items == ()


def test_a_copy_of_a_page_is_no_orphan(attic: Attic) -> None:
    attic.turns()
    attic.clock.advance(DAY_S)
    kept, lost = new_page(received_at=attic.clock.now()), attic.orphan()
    attic.payloads.inner.put(f"{TENANT}/{kept.id}/cache/page", b"a page", "text/html")
    attic.records.inner.keep_page(PageKey(TENANT, "a" * 64), kept)
    attic.age()
    attic.clock.advance(ROUND_S)
    attic.turns()
    assert (attic.kept(kept.id), attic.kept(lost)) == (["page-" + sha256(b"a page").hexdigest()], [])
