"""Records: claiming a stage, renewing the claim, and saying how the attempt ended."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.ids import Hold
from pipeline.job import MAX_LOSSES, RECENT_TRIES, Attempt, JobState, StageState
from pipeline.ports import Finished, Records, Renewal
from pipeline.work import Refusal, Refused
from tests.support.jobs import BROKEN, LEASE_S, STAGES, TENANT, World, ended, key_of, new_job, output_of, refused_once
from tests.support.tools import START

LATER = START + timedelta(seconds=60)


def refusal(world: World, key_source: object) -> Refused:
    refused = world.records.claim(key_source, owner="other", lease_s=LEASE_S, at=START)  # type: ignore[arg-type]
    assert isinstance(refused, Refused)
    return refused


# claim


def test_a_claim_grants_all_that_the_work_needs(world: World) -> None:
    job = world.accept()
    granted = world.claim(job, at=LATER)
    assert (granted.key, granted.epoch, granted.attempts, granted.losses) == (key_of(job), 1, 0, 0)
    assert (granted.tenant_id, granted.pipeline, granted.source) == (TENANT, job.pipeline, job.source)
    assert granted.options == job.options
    assert (granted.created_at, granted.deadline_at) == (job.created_at, job.deadline_at)
    assert (granted.parked_s, granted.done, granted.input) == (0.0, (), None)


def test_the_first_claim_starts_the_job(world: World) -> None:
    job = world.accept()
    world.claim(job, at=LATER)
    read = world.read(job)
    assert (read.state, read.started_at) == (JobState.RUNNING, LATER)
    stage = read.stages[0]
    assert (stage.state, stage.started_at, stage.tries) == (StageState.RUNNING, LATER, (Attempt(1, LATER),))


def test_later_claims_leave_the_start_of_the_job(world: World) -> None:
    job = world.accept()
    world.do(job, "fetch")
    world.claim(job, "extract", at=LATER)
    read = world.read(job)
    assert (read.started_at, read.stages[1].started_at) == (START, LATER)


def test_a_claim_is_handed_the_stages_before_it(world: World) -> None:
    job = world.accept()
    world.do(job, "fetch", "extract")
    granted = world.claim(job, "store")
    assert granted.input == output_of("extract")
    assert [replace(record, tries=()) for record in world.read(job).stages[:2]] == list(granted.done)


def test_a_claimed_stage_is_owned(world: World) -> None:
    job = world.accept()
    world.claim(job)
    before = world.read(job)
    assert refusal(world, key_of(job)) == Refused(Refusal.OWNED)
    assert world.read(job) == before


def test_a_finished_stage_answers_with_its_output(world: World) -> None:
    job = world.accept()
    world.do(job, "fetch")
    assert refusal(world, key_of(job)) == Refused(Refusal.FINISHED, claim=output_of("fetch"))


def test_a_stage_whose_predecessor_is_unfinished_is_over(world: World) -> None:
    assert refusal(world, key_of(world.accept(), "extract")) == Refused(Refusal.OVER)


def test_what_does_not_exist_is_over(world: World) -> None:
    job = world.accept()
    assert refusal(world, key_of(new_job())) == Refused(Refusal.OVER)
    assert refusal(world, key_of(job, "translate")) == Refused(Refusal.OVER)
    assert refusal(world, replace(key_of(job), part=1)) == Refused(Refusal.OVER)


def test_another_run_than_the_current_is_over(world: World) -> None:
    job = world.accept()
    assert refusal(world, key_of(job, run=2)) == Refused(Refusal.OVER)
    assert refusal(world, key_of(job, run=0)) == Refused(Refusal.OVER)


def test_a_failed_stage_is_over(world: World) -> None:
    job = world.accept()
    world.records.fail(world.hold(job), BROKEN, spends=True, ended=ended())
    assert refusal(world, key_of(job)) == Refused(Refusal.OVER)
    assert refusal(world, key_of(job, "extract")) == Refused(Refusal.CANCELLED)


def test_stages_of_a_cancelled_job_are_cancelled_even_if_they_were_done(world: World) -> None:
    job = world.accept()
    world.do(job, "fetch")
    world.records.request_cancel(TENANT, job.id, START)
    assert {refusal(world, key_of(job, stage)).why for stage in STAGES} == {Refusal.CANCELLED}


def test_a_stage_is_not_due_before_its_delay_has_passed(world: World) -> None:
    job = world.accept()
    world.records.release(world.hold(job), BROKEN, delay_s=60, spends=True, ended=ended())
    refused = refusal(world, key_of(job))
    assert refused.why is Refusal.NOT_DUE
    assert refused.delay_s == pytest.approx(60, abs=5)
    world.pass_time(61)
    assert world.claim(job).epoch == 2


# renew


def test_a_renewed_hold_does_not_lapse(world: World) -> None:
    job = world.accept()
    hold = world.hold(job)
    world.pass_time(LEASE_S - 5)
    assert world.records.renew([hold], lease_s=LEASE_S) == Renewal(frozenset(), frozenset())
    world.pass_time(LEASE_S - 5)
    assert world.records.lapsed(limit=9) == []


def test_nothing_is_renewed_for_nobody(world: World) -> None:
    assert world.records.renew([], lease_s=LEASE_S) == Renewal(frozenset(), frozenset())


def test_renewing_many_holds_tells_each_how_it_stands(world: World) -> None:
    jobs = [world.accept() for _ in range(5)]
    _mine, cancelled, reclaimed, finished, failed = holds = [world.hold(job) for job in jobs]
    world.pass_time(LEASE_S + 1)
    world.records.renew([hold for hold in holds if hold is not reclaimed], lease_s=LEASE_S)
    (suspect,) = world.records.lapsed(limit=9)
    assert world.records.reclaim(suspect, at=START)
    world.records.request_cancel(TENANT, cancelled.key.job_id, START)
    assert world.records.complete(finished, output_of("fetch"), ended())
    assert world.records.fail(failed, BROKEN, spends=True, ended=ended())
    unknown = Hold(key_of(new_job()), 1)
    renewal = world.records.renew([*holds, unknown], lease_s=LEASE_S)
    assert renewal.cancelled == {cancelled}
    assert renewal.lost == {reclaimed, finished, failed, unknown}


def test_a_stage_that_was_done_before_its_job_was_cancelled_is_told_so(world: World) -> None:
    job = world.accept()
    hold = world.hold(job)
    world.records.complete(hold, output_of("fetch"), ended())
    world.records.request_cancel(TENANT, job.id, START)
    assert world.records.renew([hold], lease_s=LEASE_S) == Renewal(frozenset(), frozenset({hold}))


def test_an_older_epoch_is_lost_though_the_stage_runs(world: World) -> None:
    job = world.accept()
    older = world.hold(job)
    world.records.release(older, BROKEN, delay_s=0, spends=True, ended=ended())
    newer = world.hold(job)
    assert world.records.renew([older, newer], lease_s=LEASE_S).lost == {older}


# complete


def test_completing_a_stage_readies_the_next(world: World) -> None:
    job = world.accept()
    assert world.records.complete(world.hold(job), output_of("fetch"), ended(2.5))
    first, second, third = world.read(job).stages
    assert (first.state, first.claim, first.attempts) == (StageState.SUCCEEDED, output_of("fetch"), 1)
    assert (first.finished_at, first.duration_s, first.error) == (ended(2.5).at, 2.5, None)
    assert first.tries == (Attempt(1, START, ended(2.5).at, "succeeded", 2.5),)
    assert (second.state, second.launches, second.not_before_s) == (StageState.READY, 1, 0)
    assert (third.state, third.launches) == (StageState.WAITING, 0)
    assert world.read(job).state is JobState.RUNNING


def test_completing_the_last_stage_finishes_the_job(world: World) -> None:
    job = world.accept()
    world.do(job, "fetch", "extract")
    assert world.records.complete(world.hold(job, "store"), output_of("store"), ended(9))
    read = world.read(job)
    assert (read.state, read.result, read.finished_at) == (JobState.SUCCEEDED, output_of("store"), ended(9).at)
    assert (read.error, read.progress) == (None, 100)


def test_a_job_of_one_stage_is_finished_by_it(world: World) -> None:
    job = world.accept(stages=("store",))
    world.do(job, "store")
    assert world.read(job).state is JobState.SUCCEEDED


def test_success_clears_the_error_of_earlier_attempts(world: World) -> None:
    job = world.accept()
    world.records.release(world.hold(job), BROKEN, delay_s=0, spends=True, ended=ended())
    assert world.stage(job).error == BROKEN
    world.do(job, "fetch")
    stage = world.stage(job)
    assert (stage.error, stage.attempts) == (None, 2)
    assert [attempt.error for attempt in stage.tries] == [BROKEN, None]


# release


def test_a_released_stage_spends_an_attempt(world: World) -> None:
    job = world.accept()
    assert world.records.release(world.hold(job), BROKEN, delay_s=0, spends=True, ended=ended())
    stage = world.stage(job)
    assert (stage.state, stage.attempts, stage.launches, stage.error) == (StageState.READY, 1, 2, BROKEN)
    assert stage.tries == (Attempt(1, START, ended().at, "retried", 2.0, BROKEN),)
    granted = world.claim(job)
    assert (granted.epoch, granted.attempts) == (2, 1)


def test_a_postponed_stage_spends_none(world: World) -> None:
    job = world.accept()
    assert world.records.release(world.hold(job), BROKEN, delay_s=0, spends=False, ended=ended())
    stage = world.stage(job)
    assert (stage.state, stage.attempts, stage.launches) == (StageState.READY, 0, 2)
    assert [attempt.outcome for attempt in stage.tries] == ["postponed"]


def test_parked_time_adds_up_until_an_attempt_is_spent(world: World) -> None:
    job = world.accept()
    for _ in range(3):
        world.records.release(world.hold(job), BROKEN, delay_s=0, spends=False, ended=ended())
        world.pass_time(100)
    granted = world.claim(job)
    assert granted.parked_s == pytest.approx(300, abs=5)
    world.records.release(Hold(granted.key, granted.epoch), BROKEN, delay_s=0, spends=True, ended=ended())
    world.pass_time(100)
    assert world.claim(job).parked_s == 0


def test_waiting_for_ones_turn_is_not_being_parked(world: World) -> None:
    job = world.accept()
    world.records.release(world.hold(job), BROKEN, delay_s=0, spends=False, parks=False, ended=ended())
    world.pass_time(1000)
    assert world.claim(job).parked_s == 0


def test_waiting_for_ones_turn_stops_the_clock_of_one_who_is_parked(world: World) -> None:
    job = world.accept()
    world.records.release(world.hold(job), BROKEN, delay_s=0, spends=False, ended=ended())
    world.pass_time(100)
    world.records.release(world.hold(job), BROKEN, delay_s=1000, spends=False, parks=False, ended=ended())
    world.pass_time(1000)
    assert world.claim(job).parked_s == pytest.approx(100, abs=5)


def test_only_the_latest_attempts_are_shown(world: World) -> None:
    job = world.accept()
    for _ in range(RECENT_TRIES + 2):
        world.records.release(world.hold(job), BROKEN, delay_s=0, spends=False, ended=ended())
    tries = world.stage(job).tries
    assert [attempt.epoch for attempt in tries] == list(range(3, RECENT_TRIES + 3))


# fail


@pytest.mark.parametrize("spends", [True, False])
def test_a_failed_stage_fails_the_job(world: World, spends: bool) -> None:
    job = world.accept()
    world.do(job, "fetch")
    error = replace(BROKEN, stage="extract", traceback="Traceback \ud800\x00")
    assert world.records.fail(world.hold(job, "extract"), error, spends=spends, ended=ended(4))
    read = world.read(job)
    assert (read.state, read.error, read.finished_at, read.result) == (JobState.FAILED, error, ended(4).at, None)
    done, failed, rest = read.stages
    assert (done.state, rest.state) == (StageState.SUCCEEDED, StageState.CANCELLED)
    assert (failed.state, failed.error, failed.attempts) == (StageState.FAILED, error, int(spends))
    assert failed.finished_at == ended(4).at
    assert failed.tries == (Attempt(1, START, ended(4).at, "failed", 4.0, error),)


# holds that are not valid

ENDINGS: dict[str, Callable[[Records, Hold, Finished], bool]] = {
    "complete": lambda records, hold, end: records.complete(hold, output_of("late"), end),
    "release": lambda records, hold, end: records.release(hold, BROKEN, delay_s=0, spends=True, ended=end),
    "fail": lambda records, hold, end: records.fail(hold, BROKEN, spends=True, ended=end),
    "lose_input": lambda records, hold, end: records.lose_input(hold, BROKEN, claim_key="no/such", ended=end),
}


@pytest.fixture(params=ENDINGS)
def ending(request: pytest.FixtureRequest) -> Callable[[Records, Hold, Finished], bool]:
    return ENDINGS[request.param]


Ending = Callable[[Records, Hold, Finished], bool]


def test_a_zombie_cannot_overwrite_the_one_that_replaced_it(world: World, ending: Ending) -> None:
    job = world.accept()
    zombie = Hold(key_of(job), 1)
    world.records.reclaim(world.lapse(job), at=START)
    world.hold(job)
    before = world.read(job)
    assert not ending(world.records, zombie, ended(99))
    assert world.read(job) == refused_once(before, "fetch")


def test_what_a_worker_brings_that_was_taken_for_dead_is_counted(world: World, ending: Ending) -> None:
    """Whether the stage waits for another, was done by another or was given up."""
    job = world.accept()
    for losses in range(1, MAX_LOSSES + 1):
        world.records.reclaim(world.lapse(job), at=START)
        assert not ending(world.records, Hold(key_of(job), losses), ended(99))
    assert not ending(world.records, Hold(key_of(job), 1), ended(99))
    stage = world.stage(job)
    assert (stage.state, stage.stale_writes) == (StageState.FAILED, MAX_LOSSES + 1)


def test_a_cancelled_or_late_worker_was_not_taken_for_dead(world: World, ending: Ending) -> None:
    cancelled, late = world.accept(), world.accept(deadline_at=START)
    holds = [world.hold(job) for job in (cancelled, late)]
    world.records.request_cancel(TENANT, cancelled.id, START)
    world.records.expire(at=START, limit=9)
    assert not any(ending(world.records, hold, ended(99)) for hold in holds)
    assert [world.stage(job).stale_writes for job in (cancelled, late)] == [0, 0]


def test_a_lapsed_hold_is_good_until_it_is_reclaimed(world: World, ending: Ending) -> None:
    job = world.accept()
    world.lapse(job)
    assert ending(world.records, Hold(key_of(job), 1), ended())


@pytest.mark.parametrize("before", ENDINGS)
def test_a_hold_ends_once(world: World, before: str, ending: Ending) -> None:
    job = world.accept()
    hold = world.hold(job)
    assert ENDINGS[before](world.records, hold, ended())
    read = world.read(job)
    assert not ending(world.records, hold, ended(99))
    assert world.read(job) == read


def test_a_hold_on_nothing_ends_nothing(world: World, ending: Ending) -> None:
    job = world.accept()
    assert not ending(world.records, Hold(key_of(job), 1), ended())
    assert not ending(world.records, Hold(key_of(new_job()), 1), ended())
