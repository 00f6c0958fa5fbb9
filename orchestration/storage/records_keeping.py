"""What the keeper looks for, and how it sets it right."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Update,
    and_,
    bindparam,
    case,
    literal,
    or_,
    select,
    update,
)

from orchestration.storage.records_moves import (
    IS_HELD,
    IS_STAGE,
    LAUNCHED_AGAIN,
    NOT_HELD,
    OF_RUN,
    cancel_rest,
    cut_off_attempts,
    end_attempt,
    end_job,
    ended,
    fail_job,
    locked_job,
    of_hold,
    of_key,
    of_run,
    spelled_out,
)
from orchestration.storage.rows import suspect_from
from orchestration.storage.schema import jobs, runs, stages
from orchestration.storage.types import now_s
from pipeline.ids import Hold, StageKey
from pipeline.job import MAX_LOSSES, JobState, Lane, StageState, priority_of, stage_sources
from pipeline.verdicts import deadline_exceeded, worker_lost
from pipeline.work import Suspect

MAX_DOUBLINGS = 6
UNFINISHED = [state for state in JobState if not state.is_terminal]


_PRIORITY = case({lane: priority_of(lane) for lane in Lane}, value=runs.c.lane)
_SUSPECT = (
    stages.c.job_id,
    stages.c.run,
    stages.c.stage,
    stages.c.part,
    stages.c.epoch,
    stages.c.launches,
    stages.c.losses,
    jobs.c.tenant_id,
    jobs.c.stages,
    runs.c.lane,
)
_UNFINISHED_STAGES = update(stages).where(OF_RUN, stages.c.state.in_(stage_sources(StageState.FAILED)))
_CURRENT_STAGE = (
    select(stages.c.stage).where(OF_RUN, stages.c.state != StageState.SUCCEEDED).order_by(stages.c.position).limit(1)
)
_STILL_HELD = update(stages).where(IS_HELD)
_STILL_LAPSED = _STILL_HELD.where(stages.c.lease_until < now_s())
_RUNNING_FOR = select(stages.c.epoch, stages.c.losses).where(
    IS_STAGE, stages.c.state == StageState.RUNNING, stages.c.message_id == bindparam("message_id")
)


def lapsed(connection: Connection, limit: int) -> Sequence[Suspect]:
    running = stages.c.state == spelled_out(StageState.RUNNING)
    return suspects(connection, limit, running, stages.c.lease_until < now_s())


def unstarted(
    connection: Connection, older_than_s: float, except_stages: Collection[str], limit: int
) -> Sequence[Suspect]:
    ready = stages.c.state == spelled_out(StageState.READY)
    due_at = case((stages.c.launched_at > stages.c.not_before, stages.c.launched_at), else_=stages.c.not_before)
    doublings = case((stages.c.relaunches > MAX_DOUBLINGS, MAX_DOUBLINGS), else_=stages.c.relaunches)
    overdue = due_at + older_than_s * literal(1).bitwise_lshift(doublings) < now_s()
    looked_at = stages.c.stage.not_in(except_stages)
    never_launched = stages.c.launched_at.is_(None)
    suspect = or_(never_launched, and_(overdue, looked_at))
    return suspects(connection, limit, ready, stages.c.not_before <= now_s(), suspect)


def suspects(connection: Connection, limit: int, *conditions: ColumnElement[bool]) -> list[Suspect]:
    """Pieces of work of unfinished jobs that meet these conditions."""
    live = and_(jobs.c.id == stages.c.job_id, jobs.c.run == stages.c.run, jobs.c.state.in_(UNFINISHED))
    its_run = and_(runs.c.job_id == stages.c.job_id, runs.c.run == stages.c.run)
    found = select(*_SUSPECT).join_from(stages, jobs, live).join(runs, its_run).where(*conditions)
    # Job ids are ordered by time, so this is the oldest first.
    in_turn = found.order_by(_PRIORITY, stages.c.job_id, stages.c.position, stages.c.part).limit(limit)
    return [suspect_from(row) for row in connection.execute(in_turn)]


def reclaim(connection: Connection, suspect: Suspect, at: datetime) -> bool:
    locked_job(connection, suspect.key.job_id)
    hold = Hold(suspect.key, suspect.epoch)
    return _count_loss(connection, _STILL_LAPSED, hold, suspect.losses + 1, at)


def take_over(connection: Connection, key: StageKey, message_id: str, at: datetime) -> bool:
    locked_job(connection, key.job_id)
    running = connection.execute(_RUNNING_FOR, {"message_id": message_id, **of_key(key)}).first()
    if running is None:
        return False
    return _count_loss(connection, _STILL_HELD, Hold(key, running.epoch), running.losses + 1, at)


def _count_loss(connection: Connection, held: Update, hold: Hold, losses: int, at: datetime) -> bool:
    """Make a held stage ready again, or fail it at the limit; whether it is ready now. The job is locked."""
    key, given_up = hold.key, losses >= MAX_LOSSES
    error = worker_lost(key.stage, losses)
    values = ended(StageState.FAILED, at, error) if given_up else LAUNCHED_AGAIN
    if connection.execute(held.values(losses=losses, **values), of_hold(hold)).rowcount == 0:
        return False
    end_attempt(connection, hold, "lost", at, error=error)
    if given_up:
        fail_job(connection, key, error, at)
    return not given_up


def relaunch(connection: Connection, suspect: Suspect) -> bool:
    unchanged = and_(
        IS_STAGE,
        stages.c.state == StageState.READY,
        stages.c.epoch == suspect.epoch,
        stages.c.launches == suspect.launches,
    )
    values = {"relaunches": stages.c.relaunches + 1, **LAUNCHED_AGAIN}
    return connection.execute(update(stages).where(unchanged).values(values), of_key(suspect.key)).rowcount > 0


def relaunch_all(connection: Connection) -> int:
    launched = and_(stages.c.state == spelled_out(StageState.READY), stages.c.launched_at.is_not(None))
    return connection.execute(update(stages).where(launched).values(launched_at=None)).rowcount


def late(connection: Connection, at: datetime, limit: int) -> list[str]:
    """Ids of unfinished jobs whose deadline has passed, the longest overdue first."""
    unfinished = jobs.c.state.in_(spelled_out(UNFINISHED))
    overdue = select(jobs.c.id).where(unfinished, jobs.c.deadline_at <= at)
    return list(connection.scalars(overdue.order_by(jobs.c.deadline_at).limit(limit)))


def expire(connection: Connection, job_id: str, at: datetime) -> bool:
    job = locked_job(connection, job_id)
    if job is None or job.state.is_terminal or job.deadline_at > at:
        return False
    this_run = of_run(job.id, job.run)
    error = deadline_exceeded(connection.execute(_CURRENT_STAGE, this_run).scalar_one())
    connection.execute(_UNFINISHED_STAGES, {**ended(StageState.FAILED, at, error), **this_run})
    cut_off_attempts(connection, job.id, job.run, "failed", at, error=error)
    cancel_rest(connection, job.id, job.run, at)
    end_job(connection, job.id, job.run, JobState.FAILED, at, error=error)
    return True


def resume_interrupted(connection: Connection, at: datetime) -> int:
    running = stages.c.state == spelled_out(StageState.RUNNING)
    for row in connection.execute(select(stages).where(running)).all():
        hold = Hold(StageKey(row.job_id, row.run, row.stage, row.part), row.epoch)
        end_attempt(connection, hold, "lost", at, error=worker_lost(row.stage, row.losses))
    ready = {"state": StageState.READY, "launched_at": None, **NOT_HELD}
    resumed = connection.execute(update(stages).where(running).values(ready)).rowcount
    # The message of a stage that waits to be tried again was held by a worker, and died with it.
    to_be_retried = and_(stages.c.state == spelled_out(StageState.READY), stages.c.epoch > 0)
    connection.execute(update(stages).where(to_be_retried).values(launched_at=None))
    return resumed
