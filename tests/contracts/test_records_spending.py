"""Records: what language models cost, by attempt, job, batch, tenant and day."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.job import JobSource
from pipeline.ports import Finished
from pipeline.runs import NewRun
from pipeline.spending import NOTHING, DayOfUsage, Spending, Spent
from tests.support.jobs import BROKEN, STAGES, TENANT, World, ended, output_of
from tests.support.tools import START

ASKED = Spent(1, input_tokens=1000, output_tokens=200, micros=720, currency="USD")
CACHED = Spent(1, cached_calls=1, saved_tokens=1200, saved_micros=720, currency="USD")
TODAY = START.date()


def spending(*, tenant_id: str = TENANT, **by_model: Spent) -> Finished:
    return replace(ended(), spending=Spending(tenant_id, by_model))


def days(world: World, tenant_id: str = TENANT) -> list[DayOfUsage]:
    return list(world.records.usage(tenant_id, TODAY - timedelta(days=40), TODAY + timedelta(days=40)))


def test_what_an_attempt_spent_is_recorded_with_its_outcome(world: World) -> None:
    job = world.accept()
    hold = world.hold(job)
    assert world.records.complete(hold, output_of("fetch"), spending(small=ASKED))
    [attempt] = world.stage(job).tries
    assert attempt.spent == ASKED == world.read(job).spent
    assert days(world) == [DayOfUsage(TODAY, "small", ASKED)]


def test_every_attempt_counts_however_it_ended(world: World) -> None:
    job = world.accept()
    world.records.release(world.hold(job), BROKEN, delay_s=0, spends=True, ended=spending(small=ASKED))
    world.records.release(world.hold(job), BROKEN, delay_s=0, spends=False, ended=spending(small=ASKED))
    world.records.fail(world.hold(job), BROKEN, spends=True, ended=spending(small=ASKED, large=ASKED))
    assert [attempt.spent.micros for attempt in world.stage(job).tries] == [720, 720, 1440]
    assert world.read(job).spent == Spent(4, input_tokens=4000, output_tokens=800, micros=2880, currency="USD")
    assert [(each.model, each.spent.micros) for each in days(world)] == [("large", 720), ("small", 2160)]


def test_a_result_that_is_refused_was_paid_for_all_the_same(world: World) -> None:
    job = world.accept()
    hold = world.hold(job)
    world.records.request_cancel(TENANT, job.id, START)
    assert not world.records.complete(hold, output_of("fetch"), spending(small=ASKED))
    assert world.read(job).spent == ASKED


@pytest.mark.parametrize("times", [1, 3])
def test_an_attempt_is_counted_once(world: World, times: int) -> None:
    job = world.accept()
    hold = world.hold(job)
    for _ in range(times):
        world.records.spend(hold, Spending(TENANT, {"small": ASKED}), START)
    world.records.complete(hold, output_of("fetch"), spending(small=ASKED))
    assert world.read(job).spent == ASKED
    assert days(world) == [DayOfUsage(TODAY, "small", ASKED)]


def test_what_the_cache_saved_is_kept_apart(world: World) -> None:
    job = world.accept()
    world.records.spend(world.hold(job), Spending(TENANT, {"small": ASKED + CACHED}), START)
    spent = world.read(job).spent
    assert (spent.calls, spent.cached_calls, spent.micros, spent.saved_micros) == (2, 1, 720, 720)


def test_days_are_of_one_tenant_and_in_utc(world: World) -> None:
    job, other = world.accept(), world.accept(tenant_id="other")
    late = START + timedelta(hours=21)
    world.records.spend(world.hold(job), Spending(TENANT, {"small": ASKED}), START)
    world.records.spend(world.hold(other), Spending("other", {"small": ASKED}), late)
    assert [each.day for each in days(world)] == [TODAY]
    assert [each.day for each in days(world, "other")] == [TODAY + timedelta(days=1)]
    assert world.records.usage("other", TODAY, TODAY) == []


def test_purging_a_job_does_not_change_the_days(world: World) -> None:
    job = world.accept()
    hold = world.hold(job)
    world.records.fail(hold, BROKEN, spends=True, ended=spending(small=ASKED))
    world.records.purge(TENANT, job.id)
    assert days(world) == [DayOfUsage(TODAY, "small", ASKED)]


def test_an_attempt_whose_job_was_purged_meanwhile_counts_by_day(world: World) -> None:
    job = world.accept()
    hold = world.hold(job)
    world.records.request_cancel(TENANT, job.id, START)
    world.records.purge(TENANT, job.id)
    world.records.spend(hold, Spending(TENANT, {"small": ASKED}), START)
    assert days(world) == [DayOfUsage(TODAY, "small", ASKED)]


def test_a_job_has_what_all_of_its_runs_spent(world: World) -> None:
    job = world.accept(stages=STAGES, source=JobSource(url="https://example.org/"))
    world.records.fail(world.hold(job), BROKEN, spends=True, ended=spending(small=ASKED))
    new = NewRun(from_stage=None, options=None, deadline_at=START + timedelta(days=1), at=START)
    world.records.open_run(TENANT, job.id, new)
    world.records.spend(world.hold(job, run=2), Spending(TENANT, {"small": ASKED}), START)
    assert world.read(job).spent.calls == 2
    first = world.records.job(TENANT, job.id, 1)
    assert first is not None
    assert first.spent.calls == 2
    assert first.stages[0].tries[0].spent == ASKED


def test_the_tally_has_all_tenants_by_model(world: World) -> None:
    for tenant in ("default", "other"):
        hold = world.hold(world.accept(tenant_id=tenant))
        world.records.spend(hold, Spending(tenant, {"small": ASKED}), START)
    assert world.records.tally().spent["small"].micros == 1440


def test_a_job_that_asked_nothing_spent_nothing(world: World) -> None:
    assert world.read(world.accept()).spent == NOTHING
    assert days(world) == []
