"""Records: what the keeper finds and how it sets it right."""

from dataclasses import replace
from datetime import timedelta

from pipeline.ids import Hold
from pipeline.job import MAX_LOSSES, JobState, Lane, StageState
from pipeline.work import Suspect
from tests.support.jobs import BROKEN, LEASE_S, STAGES, TENANT, World, ended, key_of, output_of
from tests.support.tools import START

LATER = START + timedelta(minutes=5)


def found(suspects: object) -> list[str]:
    return [suspect.key.job_id for suspect in suspects]  # type: ignore[attr-defined]


def unstarted(world: World, older_than_s: float = 10.0, limit: int = 9) -> list[Suspect]:
    return list(world.records.unstarted(older_than_s=older_than_s, limit=limit))


# lapsed, reclaim


def test_a_stage_lapses_when_its_lease_runs_out(world: World) -> None:
    job = world.accept(lane=Lane.BULK)
    world.do(job, "fetch")
    world.hold(job, "extract")
    world.pass_time(LEASE_S - 5)
    assert world.records.lapsed(limit=9) == []
    world.pass_time(10)
    assert world.records.lapsed(limit=9) == [
        Suspect(key_of(job, "extract"), TENANT, STAGES, Lane.BULK, launches=1, losses=0, epoch=1)
    ]


def test_urgent_ones_are_found_first_then_the_oldest(world: World) -> None:
    lanes = (Lane.BULK, Lane.NORMAL, Lane.URGENT, Lane.NORMAL)
    bulk, older, urgent, newer = jobs = [world.accept(lane=lane) for lane in lanes]
    for job in reversed(jobs):
        world.hold(job)
    world.pass_time(LEASE_S + 1)
    order = [urgent.id, older.id, newer.id, bulk.id]
    assert found(world.records.lapsed(limit=9)) == order
    assert found(world.records.lapsed(limit=2)) == order[:2]


def test_a_reclaimed_stage_is_ready_and_its_loss_counted(world: World) -> None:
    job = world.accept()
    suspect = world.lapse(job)
    assert world.records.reclaim(suspect, at=LATER)
    stage = world.stage(job)
    assert (stage.state, stage.losses, stage.attempts, stage.launches) == (StageState.READY, 1, 0, 2)
    (attempt,) = stage.tries
    assert (attempt.outcome, attempt.finished_at, attempt.duration_s) == ("lost", LATER, None)
    assert attempt.error is not None
    assert attempt.error.code == "worker_lost"
    granted = world.claim(job)
    assert (granted.epoch, granted.losses) == (2, 1)


def test_a_suspect_is_reclaimed_once(world: World) -> None:
    suspect = world.lapse(world.accept())
    assert world.records.reclaim(suspect, at=LATER)
    assert not world.records.reclaim(suspect, at=LATER)


def test_one_that_renewed_in_time_is_not_reclaimed(world: World) -> None:
    job = world.accept()
    suspect = world.lapse(job)
    world.records.renew([Hold(suspect.key, suspect.epoch)], lease_s=LEASE_S)
    before = world.read(job)
    assert not world.records.reclaim(suspect, at=LATER)
    assert world.read(job) == before


def test_one_that_ended_or_runs_again_is_not_reclaimed(world: World) -> None:
    done, again = world.accept(), world.accept()
    suspects = {suspect.key.job_id: suspect for suspect in (world.lapse(done), world.lapse(again))}
    world.records.complete(Hold(key_of(done), 1), output_of("fetch"), ended())
    world.records.release(Hold(key_of(again), 1), BROKEN, delay_s=0, spends=True, ended=ended())
    world.hold(again)
    world.pass_time(LEASE_S + 1)
    assert not any(world.records.reclaim(suspect, at=LATER) for suspect in suspects.values())


def test_a_stage_that_keeps_killing_workers_fails(world: World) -> None:
    job = world.accept()
    answers = [world.records.reclaim(world.lapse(job), at=LATER) for _ in range(MAX_LOSSES)]
    assert answers == [True] * (MAX_LOSSES - 1) + [False]
    read = world.read(job)
    assert read.error is not None
    assert (read.state, read.error.code, read.error.stage) == (JobState.FAILED, "worker_lost", "fetch")
    assert str(MAX_LOSSES) in read.error.message
    assert read.finished_at == LATER
    failed, *rest = read.stages
    assert (failed.state, failed.losses, failed.error) == (StageState.FAILED, MAX_LOSSES, read.error)
    assert [attempt.outcome for attempt in failed.tries] == ["lost"] * MAX_LOSSES
    assert {stage.state for stage in rest} == {StageState.CANCELLED}


# unstarted, relaunch


def test_a_launched_stage_is_unstarted_after_a_while(world: World) -> None:
    job = world.accept(lane=Lane.URGENT)
    assert unstarted(world) == []
    world.pass_time(11)
    assert unstarted(world) == [Suspect(key_of(job), TENANT, STAGES, Lane.URGENT, launches=1, losses=0, epoch=0)]


def test_a_stage_that_was_not_published_is_unstarted_at_once(world: World) -> None:
    job = world.accept()
    world.records.unlaunch(key_of(job))
    assert found(unstarted(world)) == [job.id]


def test_only_a_ready_stage_can_be_unlaunched(world: World) -> None:
    job = world.accept()
    hold = world.hold(job)
    before = world.read(job)
    world.records.unlaunch(key_of(job))
    world.records.unlaunch(key_of(job, "extract"))
    world.records.unlaunch(key_of(job, "translate"))
    assert world.read(job) == before
    assert world.records.release(hold, BROKEN, delay_s=0, spends=True, ended=ended())
    assert unstarted(world) == []


def test_the_age_of_a_delayed_stage_counts_from_when_it_is_due(world: World) -> None:
    job = world.accept()
    world.records.release(world.hold(job), BROKEN, delay_s=60, spends=True, ended=ended())
    world.pass_time(55)
    assert unstarted(world, older_than_s=10) == []
    world.pass_time(10)
    assert unstarted(world, older_than_s=10) == []
    world.pass_time(10)
    assert found(unstarted(world, older_than_s=10)) == [job.id]


def test_a_delayed_stage_that_was_not_published_waits_until_it_is_due(world: World) -> None:
    job = world.accept()
    world.records.release(world.hold(job), BROKEN, delay_s=60, spends=True, ended=ended())
    world.records.unlaunch(key_of(job))
    assert unstarted(world) == []
    world.pass_time(61)
    assert found(unstarted(world)) == [job.id]


def test_neither_waiting_nor_running_nor_ended_stages_are_unstarted(world: World) -> None:
    running, done, cancelled = (world.accept() for _ in range(3))
    world.hold(running)
    world.do(done, *STAGES)
    world.records.request_cancel(TENANT, cancelled.id, START)
    world.pass_time(1000)
    assert unstarted(world) == []


def test_the_next_stage_counts_as_launched_when_it_becomes_ready(world: World) -> None:
    job = world.accept()
    world.pass_time(1000)
    world.do(job, "fetch")
    assert unstarted(world) == []
    world.pass_time(11)
    assert [suspect.key for suspect in unstarted(world)] == [key_of(job, "extract")]


def test_unstarted_ones_are_found_in_turn(world: World) -> None:
    lanes = (Lane.BULK, Lane.NORMAL, Lane.URGENT, Lane.NORMAL)
    bulk, older, urgent, newer = [world.accept(lane=lane) for lane in lanes]
    world.pass_time(11)
    order = [urgent.id, older.id, newer.id, bulk.id]
    assert found(unstarted(world)) == order
    assert found(unstarted(world, limit=3)) == order[:3]


def test_a_relaunch_counts_once(world: World) -> None:
    job = world.accept()
    world.pass_time(11)
    (suspect,) = unstarted(world)
    assert world.records.relaunch(suspect)
    assert not world.records.relaunch(suspect)
    assert world.stage(job).launches == 2
    assert unstarted(world) == []


def test_the_pause_doubles_with_every_relaunch_up_to_a_bound(world: World) -> None:
    world.accept()
    pauses = []
    for _ in range(9):
        passed = 0
        while not (suspects := unstarted(world, older_than_s=10)):
            step = max(1, passed)
            world.pass_time(step * 10 + 0.5)
            passed += step
        pauses.append(passed)
        assert world.records.relaunch(suspects[0])
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 64, 64]


def test_an_attempt_starts_the_pauses_anew(world: World) -> None:
    job = world.accept()
    for _ in range(3):
        world.pass_time(1000)
        assert world.records.relaunch(unstarted(world)[0])
    world.records.release(world.hold(job), BROKEN, delay_s=0, spends=True, ended=ended())
    world.pass_time(11)
    assert found(unstarted(world, older_than_s=10)) == [job.id]


def test_a_stage_that_was_claimed_meanwhile_is_not_relaunched(world: World) -> None:
    running, again = world.accept(), world.accept()
    world.pass_time(11)
    suspects = unstarted(world)
    world.hold(running)
    world.records.release(world.hold(again), BROKEN, delay_s=0, spends=True, ended=ended())
    assert not any(world.records.relaunch(suspect) for suspect in suspects)
    assert not world.records.relaunch(replace(suspects[0], key=key_of(running, "translate")))


def test_a_stage_that_was_resumed_meanwhile_is_not_relaunched(world: World) -> None:
    job = world.accept()
    world.pass_time(11)
    (suspect,) = unstarted(world)
    world.hold(job)
    world.records.resume_interrupted(at=START)
    assert not world.records.relaunch(suspect)
    assert world.stage(job).launches == 1


def test_a_stage_that_may_wait_in_line_is_no_suspect_until_it_was_never_launched(world: World) -> None:
    job = world.accept()
    world.pass_time(11)
    in_line = {"older_than_s": 10.0, "except_stages": ("fetch",), "limit": 9}
    assert world.records.unstarted(**in_line) == []
    assert found(world.records.unstarted(**{**in_line, "except_stages": ("extract",)})) == [job.id]
    world.records.unlaunch(key_of(job))
    assert found(world.records.unstarted(**in_line)) == [job.id]


# expire


def test_a_job_fails_when_its_deadline_passes(world: World) -> None:
    job = world.accept(deadline_at=LATER)
    world.do(job, "fetch")
    hold = world.hold(job, "extract")
    assert world.records.expire(at=LATER - timedelta(seconds=1), limit=9) == 0
    assert world.records.expire(at=LATER, limit=9) == 1
    read = world.read(job)
    assert read.error is not None
    assert (read.state, read.error.code, read.error.stage) == (JobState.FAILED, "deadline_exceeded", "extract")
    assert read.finished_at == LATER
    states = [stage.state for stage in read.stages]
    assert states == [StageState.SUCCEEDED, StageState.FAILED, StageState.CANCELLED]
    assert read.stages[1].error == read.error
    assert [(attempt.outcome, attempt.error) for attempt in read.stages[1].tries] == [("failed", read.error)]
    assert not world.records.complete(hold, output_of("extract"), ended())
    assert world.records.renew([hold], lease_s=LEASE_S).lost == {hold}


def test_a_job_that_never_started_expires(world: World) -> None:
    job = world.accept(deadline_at=LATER)
    assert world.records.expire(at=LATER, limit=9) == 1
    read = world.read(job)
    assert (read.state, read.started_at, read.stages[0].state) == (JobState.FAILED, None, StageState.FAILED)


def test_finished_jobs_do_not_expire(world: World) -> None:
    done, cancelled = world.accept(deadline_at=LATER), world.accept(deadline_at=LATER)
    world.do(done, *STAGES)
    world.records.request_cancel(TENANT, cancelled.id, START)
    assert world.records.expire(at=LATER, limit=9) == 0


def test_no_more_jobs_expire_at_once_than_asked_for_the_longest_overdue_first(world: World) -> None:
    jobs = [world.accept(deadline_at=LATER - timedelta(seconds=age)) for age in (1, 3, 2)]
    assert world.records.expire(at=LATER, limit=2) == 2
    assert [world.read(job).state.is_terminal for job in jobs] == [False, True, True]
    assert [world.records.expire(at=LATER, limit=2) for _ in range(2)] == [1, 0]
