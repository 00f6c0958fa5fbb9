"""Records: a stage that is done in parts."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest

from pipeline.ids import WHOLE, Claim, Hold, StageKey
from pipeline.job import MAX_LOSSES, Job, JobError, JobState, Lane, NewJob, PartCount, StageState
from pipeline.ports import JobFilter, Retention
from pipeline.runs import NewRun
from pipeline.work import Division, Grant, Refusal, Refused
from tests.support.at_once import at_once
from tests.support.jobs import BROKEN, LEASE_S, MESSAGE, TENANT, World, ended, key_of, output_of
from tests.support.tools import START

FAILED = replace(BROKEN, stage="extract")
LOST = JobError("payload_missing", "A stored payload is gone.", "extract")
LATER = START + timedelta(days=2)


def claim_named(name: str) -> Claim:
    return Claim(f"{TENANT}/job/1/{name}", sha256(name.encode()).hexdigest(), len(name), "text/plain")


def inputs(count: int) -> list[Claim]:
    return [claim_named(f"input {number}") for number in range(1, count + 1)]


def part_key(job: NewJob, part: int, run: int = 1) -> StageKey:
    return StageKey(job.id, run, "extract", part)


def grant(world: World, key: StageKey) -> Grant:
    granted = world.records.claim(key, owner="worker", message_id=MESSAGE, lease_s=LEASE_S, at=START)
    assert isinstance(granted, Grant), granted
    return granted


def hold(world: World, job: NewJob, part: int, run: int = 1) -> Hold:
    granted = grant(world, part_key(job, part, run))
    return Hold(granted.key, granted.epoch)


def split(world: World, job: NewJob, claims: Sequence[Claim], at_once: int = 2, run: int = 1) -> Division:
    division = world.records.split(world.hold(job, "extract", run), claims, at_once, ended())
    assert division is not None
    return division


def do_part(world: World, job: NewJob, part: int, run: int = 1) -> Division:
    division = world.records.complete_part(hold(world, job, part, run), claim_named(f"result {part}"), ended())
    assert division is not None
    return division


def split_job(world: World, count: int = 3, at_once: int = 2) -> NewJob:
    """A job whose second stage is split."""
    job = world.accept()
    world.do(job, "fetch")
    split(world, job, inputs(count), at_once)
    return job


def whole(world: World, job: NewJob) -> StageState:
    return world.stage(job, "extract").state


def refusal(world: World, job: NewJob, part: int, run: int = 1) -> Refusal:
    refused = world.records.claim(part_key(job, part, run), owner="other", lease_s=LEASE_S, at=START)
    assert isinstance(refused, Refused)
    return refused.why


def parts_ready(division: Division) -> list[int]:
    return [piece.key.part for piece in division.ready]


# splitting


def test_the_first_parts_are_ready_and_the_others_wait(world: World) -> None:
    job = world.accept(lane=Lane.BULK)
    world.do(job, "fetch")
    division = split(world, job, inputs(5), at_once=2)
    assert (division.count, division.is_done) == (PartCount(0, 5), False)
    assert [piece.key for piece in division.ready] == [part_key(job, 1), part_key(job, 2)]
    assert {(piece.launches, piece.lane, piece.stages) for piece in division.ready} == {(1, Lane.BULK, job.stages)}
    assert refusal(world, job, 3) is Refusal.OVER


def test_a_split_stage_holds_nothing_and_has_spent_nothing(world: World) -> None:
    job = split_job(world)
    stage = world.stage(job, "extract")
    assert (stage.state, stage.attempts, stage.error, stage.parts) == (StageState.SPLIT, 0, None, PartCount(0, 3))
    assert [attempt.outcome for attempt in stage.tries] == ["split"]
    assert refusal(world, job, WHOLE) is Refusal.SPLIT
    world.pass_time(LEASE_S + 1)
    assert world.records.lapsed(limit=9) == []


def test_the_job_shows_its_stages_as_wholes(world: World) -> None:
    job = split_job(world)
    read = world.read(job)
    assert [(stage.stage, stage.part) for stage in read.stages] == [("fetch", 0), ("extract", 0), ("store", 0)]
    assert (read.current_stage, read.progress) == (read.stages[1], 50)


def test_a_part_is_granted_what_it_reads(world: World) -> None:
    job = split_job(world)
    granted = grant(world, part_key(job, 2))
    assert granted.input == inputs(3)[1]
    assert (granted.is_part, granted.is_last, granted.results, granted.attempts) == (True, False, (), 0)
    assert [record.stage for record in granted.done] == ["fetch"]


def test_a_part_of_the_last_stage_is_not_the_last_of_the_job(world: World) -> None:
    job = world.accept(stages=("fetch", "extract"))
    world.do(job, "fetch")
    split(world, job, inputs(1))
    assert not grant(world, part_key(job, 1)).is_last
    assert world.records.complete_part(Hold(part_key(job, 1), 1), claim_named("result"), ended())
    assert world.read(job).state is JobState.RUNNING
    world.do(job, "extract")
    assert world.read(job).state is JobState.SUCCEEDED


def test_only_the_latest_hold_can_split(world: World) -> None:
    job = world.accept()
    world.do(job, "fetch")
    zombie = Hold(key_of(job, "extract"), 1)
    world.records.reclaim(world.lapse(job, "extract"), at=START)
    before = world.hold(job, "extract")
    assert world.records.split(zombie, inputs(2), 2, ended()) is None
    assert world.stage(job, "extract").stale_writes == 1
    assert world.records.split(before, inputs(2), 2, ended()) is not None
    assert world.records.split(before, inputs(2), 2, ended()) is None
    assert world.stage(job, "extract").parts == PartCount(0, 2)


# going on


def test_each_part_that_is_done_makes_the_next_one_ready(world: World) -> None:
    job = split_job(world, count=4, at_once=2)
    done = do_part(world, job, 2)
    assert (done.count, parts_ready(done)) == (PartCount(1, 4), [3])
    assert done.ready[0].launches == 1
    assert parts_ready(do_part(world, job, 1)) == [4]
    assert parts_ready(do_part(world, job, 4)) == []
    assert whole(world, job) is StageState.SPLIT


def test_the_last_part_makes_the_stage_ready_with_all_results_in_order(world: World) -> None:
    job = split_job(world, count=3, at_once=3)
    for part in (3, 1):
        assert not do_part(world, job, part).is_done
    last = do_part(world, job, 2)
    assert (last.count, last.is_done, last.ready) == (PartCount(3, 3), True, ())
    stage = world.stage(job, "extract")
    assert (stage.state, stage.launches) == (StageState.READY, 2)
    granted = world.claim(job, "extract")
    assert granted.results == tuple(claim_named(f"result {part}") for part in (1, 2, 3))
    assert (granted.level, granted.input, granted.epoch) == (1, output_of("fetch"), 2)
    assert world.records.complete(Hold(granted.key, 2), output_of("extract"), ended())
    world.do(job, "store")
    assert world.read(job).state is JobState.SUCCEEDED


def test_a_part_is_recorded_once(world: World) -> None:
    job = split_job(world)
    held = hold(world, job, 1)
    assert world.records.complete_part(held, claim_named("result 1"), ended()) is not None
    assert world.records.complete_part(held, claim_named("again"), ended()) is None
    refused = world.records.claim(part_key(job, 1), owner="other", lease_s=LEASE_S, at=START)
    assert refused == Refused(Refusal.FINISHED, claim=claim_named("result 1"))


def test_parts_that_end_at_the_same_time_make_the_stage_ready_once(world: World) -> None:
    job = split_job(world, count=8, at_once=8)
    holds = [hold(world, job, part) for part in range(1, 9)]
    ends = at_once(*(lambda held=held: world.records.complete_part(held, claim_named("r"), ended()) for held in holds))
    assert [end.is_done for end in ends].count(True) == 1
    assert world.stage(job, "extract").launches == 2


def test_a_stage_can_be_split_again(world: World) -> None:
    job = split_job(world, count=2, at_once=2)
    do_part(world, job, 1)
    do_part(world, job, 2)
    again = split(world, job, [claim_named("notes")])
    assert ([piece.key for piece in again.ready], again.count) == ([part_key(job, 3)], PartCount(0, 1))
    assert do_part(world, job, 3).is_done
    granted = world.claim(job, "extract")
    assert (granted.results, granted.level) == ((claim_named("result 3"),), 2)


# what goes wrong in a part


def test_a_part_is_tried_again_on_its_own(world: World) -> None:
    job = split_job(world)
    assert world.records.release(hold(world, job, 1), FAILED, delay_s=0, spends=True, ended=ended())
    assert world.records.release(hold(world, job, 1), FAILED, delay_s=0, spends=False, ended=ended())
    assert (grant(world, part_key(job, 1)).attempts, grant(world, part_key(job, 2)).attempts) == (1, 0)
    assert world.stage(job, "extract").attempts == 0


def test_a_part_that_fails_fails_its_stage_and_the_job_and_stops_the_others(world: World) -> None:
    job = split_job(world, count=3, at_once=2)
    failing, running = hold(world, job, 1), hold(world, job, 2)
    assert world.records.fail(failing, FAILED, spends=True, ended=ended(4))
    read = world.read(job)
    assert (read.state, read.error) == (JobState.FAILED, FAILED)
    assert [stage.state for stage in read.stages] == [StageState.SUCCEEDED, StageState.FAILED, StageState.CANCELLED]
    assert read.stages[1].error == FAILED
    assert world.records.renew([running], lease_s=LEASE_S).cancelled == {running}
    assert world.records.complete_part(running, claim_named("late"), ended()) is None
    assert {refusal(world, job, part) for part in (2, 3)} == {Refusal.CANCELLED}


def test_cancelling_the_job_cancels_its_parts(world: World) -> None:
    job = split_job(world)
    running = hold(world, job, 1)
    world.records.request_cancel(TENANT, job.id, START)
    assert whole(world, job) is StageState.CANCELLED
    assert world.records.renew([running], lease_s=LEASE_S).cancelled == {running}
    assert {refusal(world, job, part) for part in (0, 1, 2, 3)} == {Refusal.CANCELLED}


def test_the_deadline_ends_parts_too(world: World) -> None:
    job = split_job(world)
    running = hold(world, job, 1)
    assert world.records.expire(at=LATER, limit=9) == 1
    read = world.read(job)
    assert (read.state, whole(world, job)) == (JobState.FAILED, StageState.FAILED)
    assert read.error is not None
    assert (read.error.code, read.error.stage) == ("deadline_exceeded", "extract")
    assert world.records.complete_part(running, claim_named("late"), ended()) is None


def test_workers_lost_are_counted_for_each_part(world: World) -> None:
    job = split_job(world)
    for losses in range(1, MAX_LOSSES + 1):
        hold(world, job, 1)
        world.pass_time(LEASE_S + 1)
        (suspect,) = world.records.lapsed(limit=9)
        assert (suspect.key, suspect.losses) == (part_key(job, 1), losses - 1)
        assert world.records.reclaim(suspect, at=START) == (losses < MAX_LOSSES)
    read = world.read(job)
    assert (read.state, whole(world, job)) == (JobState.FAILED, StageState.FAILED)
    assert read.error is not None
    assert read.error.code == "worker_lost"


def test_a_part_is_taken_over_with_the_message_that_its_worker_died_with(world: World) -> None:
    job = split_job(world)
    hold(world, job, 1)
    assert world.records.take_over(part_key(job, 1), message_id=MESSAGE, at=START)
    assert (grant(world, part_key(job, 1)).losses, grant(world, part_key(job, 2)).losses) == (1, 0)


# what the keeper finds


def test_parts_without_a_message_are_found(world: World) -> None:
    job = split_job(world, count=4, at_once=2)
    hold(world, job, 2)
    world.records.unlaunch(part_key(job, 1))
    (suspect,) = world.records.unstarted(older_than_s=1000, limit=9)
    assert (suspect.key, suspect.stages) == (part_key(job, 1), job.stages)
    assert world.records.relaunch(suspect)
    assert world.records.unstarted(older_than_s=1000, limit=9) == []


def test_parts_that_were_not_begun_can_be_said_to_have_no_message(world: World) -> None:
    job = split_job(world, count=4, at_once=3)
    hold(world, job, 1)
    assert world.records.release(hold(world, job, 2), FAILED, delay_s=0, spends=True, ended=ended())
    world.records.unlaunch_parts(part_key(job, WHOLE))
    (suspect,) = world.records.unstarted(older_than_s=1000, limit=9)
    assert suspect.key == part_key(job, 3)


def test_a_broker_that_lost_its_memory_has_parts_and_stages_launched_again(world: World) -> None:
    splitting, reducing = split_job(world, count=3, at_once=2), split_job(world, count=1)
    do_part(world, reducing, 1)
    assert world.records.relaunch_all() == 3
    found = {suspect.key for suspect in world.records.unstarted(older_than_s=1000, limit=9)}
    assert found == {part_key(splitting, 1), part_key(splitting, 2), key_of(reducing, "extract")}


def test_a_stack_that_starts_again_resumes_parts(world: World) -> None:
    job = split_job(world, count=2)
    hold(world, job, 1)
    assert world.records.resume_interrupted(at=START) == 1
    assert part_key(job, 1) in {suspect.key for suspect in world.records.unstarted(older_than_s=1000, limit=9)}
    assert do_part(world, job, 1).count == PartCount(1, 2)


# what is lost


def lose(world: World, held: Hold, claim: Claim) -> bool:
    return world.records.lose_input(held, LOST, claim_key=claim.key, ended=ended())


def test_a_lost_result_has_its_part_run_again_and_the_stage_wait(world: World) -> None:
    job = split_job(world, count=2)
    do_part(world, job, 1)
    do_part(world, job, 2)
    assert lose(world, world.hold(job, "extract"), claim_named("result 2"))
    stage = world.stage(job, "extract")
    assert (stage.state, stage.parts, stage.error) == (StageState.SPLIT, PartCount(1, 2), LOST)
    (suspect,) = world.records.unstarted(older_than_s=1000, limit=9)
    assert suspect.key == part_key(job, 2)
    assert do_part(world, job, 2).is_done
    assert lose(world, world.hold(job, "extract"), claim_named("result 2"))
    assert world.read(job).state is JobState.FAILED


def test_a_lost_input_of_a_part_has_its_stage_split_anew(world: World) -> None:
    job = split_job(world, count=3, at_once=2)
    running, finding = hold(world, job, 1), hold(world, job, 2)
    assert lose(world, finding, inputs(3)[1])
    stage = world.stage(job, "extract")
    assert (stage.state, stage.reruns, stage.parts) == (StageState.READY, 1, None)
    assert world.records.complete_part(running, claim_named("late"), ended()) is None
    (suspect,) = world.records.unstarted(older_than_s=1000, limit=9)
    assert suspect.key == key_of(job, "extract")
    assert world.claim(job, "extract").results == ()
    again = world.records.split(Hold(key_of(job, "extract"), 2), inputs(3), 2, ended())
    assert again is not None
    assert (parts_ready(again), again.count) == ([4, 5], PartCount(0, 3))
    assert lose(world, hold(world, job, 4), inputs(3)[0])
    assert world.read(job).state is JobState.FAILED


def test_parts_that_are_done_stay_done_when_their_stage_is_split_anew(world: World) -> None:
    job = split_job(world, count=3, at_once=3)
    do_part(world, job, 1)
    do_part(world, job, 3)
    assert lose(world, hold(world, job, 2), inputs(3)[1])
    again = split(world, job, inputs(3))
    assert (again.count, parts_ready(again)) == (PartCount(2, 3), [5])
    assert do_part(world, job, 5).is_done
    assert [claim.key[-1] for claim in world.claim(job, "extract").results] == ["1", "5", "3"]


@pytest.mark.parametrize("by_part", [True, False])
def test_a_lost_output_of_an_earlier_stage_has_everything_after_it_done_anew(world: World, by_part: bool) -> None:
    job = split_job(world, count=2)
    do_part(world, job, 1)
    if not by_part:
        do_part(world, job, 2)
    held = hold(world, job, 2) if by_part else world.hold(job, "extract")
    assert lose(world, held, output_of("fetch"))
    assert [stage.state for stage in world.read(job).stages][:2] == [StageState.READY, StageState.WAITING]
    world.do(job, "fetch")
    granted = world.claim(job, "extract")
    assert (granted.results, granted.level) == ((), 0)
    again = world.records.split(Hold(granted.key, granted.epoch), inputs(2), 2, ended())
    assert again is not None
    assert again.count.done == (1 if by_part else 2)


def test_when_all_parts_are_done_already_the_stage_is_ready_at_once(world: World) -> None:
    job = split_job(world, count=2)
    do_part(world, job, 1)
    do_part(world, job, 2)
    again = split(world, job, inputs(2))
    assert again.is_done
    assert [piece.key for piece in again.ready] == [key_of(job, "extract")]
    assert len(world.claim(job, "extract").results) == 2


# other runs


def new_run(from_stage: str | None) -> NewRun:
    return NewRun(from_stage, None, deadline_at=LATER, at=START)


def failed_half_way(world: World) -> NewJob:
    job = split_job(world, count=3, at_once=3)
    do_part(world, job, 1)
    do_part(world, job, 3)
    assert world.records.fail(hold(world, job, 2), FAILED, spends=True, ended=ended())
    return job


def open_run(world: World, job: NewJob, from_stage: str | None) -> Job:
    return world.records.open_run(TENANT, job.id, new_run(from_stage))


def test_a_retry_takes_over_the_parts_that_are_done(world: World) -> None:
    job = failed_half_way(world)
    assert open_run(world, job, None).stages[1].parts is None
    again = split(world, job, inputs(3), run=2)
    assert (again.count, parts_ready(again)) == (PartCount(2, 3), [2])
    assert do_part(world, job, 2, run=2).is_done
    results = world.claim(job, "extract", run=2).results
    assert results == tuple(claim_named(f"result {part}") for part in (1, 2, 3))
    before = world.records.job(TENANT, job.id, 1)
    assert before is not None
    assert before.stages[1].parts == PartCount(2, 3)


def test_a_retry_of_a_retry_takes_over_parts_of_both(world: World) -> None:
    job = failed_half_way(world)
    open_run(world, job, None)
    world.records.request_cancel(TENANT, job.id, START)
    open_run(world, job, None)
    assert split(world, job, inputs(3), run=3).count == PartCount(2, 3)


def test_a_replay_does_all_parts_anew(world: World) -> None:
    job = failed_half_way(world)
    open_run(world, job, "extract")
    assert split(world, job, inputs(3), run=2).count == PartCount(0, 3)


def test_what_reads_something_else_is_done_anew(world: World) -> None:
    job = failed_half_way(world)
    open_run(world, job, None)
    assert split(world, job, [claim_named("other"), *inputs(3)[1:]], run=2).count == PartCount(1, 3)


def test_a_run_before_is_over_for_its_parts(world: World) -> None:
    job = failed_half_way(world)
    open_run(world, job, "extract")
    split(world, job, inputs(3), run=2)
    assert refusal(world, job, 1, run=1) is Refusal.OVER


# in the share of a tenant


def test_each_part_that_is_ready_or_running_counts_as_work_of_its_stage(world: World) -> None:
    job = split_job(world, count=5, at_once=3)
    hold(world, job, 2)
    (load,) = world.records.loads()
    assert (load.stage, load.waiting, load.running) == ("extract", 2, 1)


# forgetting


def test_inputs_and_results_of_parts_are_forgotten_with_the_outputs(world: World) -> None:
    job = split_job(world, count=2)
    do_part(world, job, 1)
    do_part(world, job, 2)
    world.do(job, "extract", "store")
    older = Retention(results_s=9e9, intermediates_s=60, dead_letters_s=9e9)
    forgotten = world.records.expire_payloads(START + timedelta(hours=1), older, 9)
    results = [claim_named(f"result {part}") for part in (1, 2)]
    assert {claim.key for claim in forgotten} == {
        claim.key for claim in (output_of("fetch"), output_of("extract"), *inputs(2), *results)
    }
    assert world.records.expire_payloads(START + timedelta(hours=1), older, 9) == []


def test_a_job_is_erased_with_its_parts(world: World) -> None:
    job = split_job(world)
    world.records.request_cancel(TENANT, job.id, START)
    world.records.purge(TENANT, job.id)
    assert refusal(world, job, 1) is Refusal.OVER


def test_parts_are_listed_once_under_their_stage(world: World) -> None:
    job = split_job(world)
    page = world.records.jobs(TENANT, JobFilter(stage="extract"), before=None, limit=9)
    assert [found.id for found in page.items] == [job.id]
