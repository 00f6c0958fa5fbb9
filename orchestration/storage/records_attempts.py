"""Claiming a stage, keeping the claim, and saying how its attempt ended."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, Update, and_, bindparam, exists, func, insert, or_, select, tuple_, update

from orchestration.storage.records_moves import (
    IS_HELD,
    IS_STAGE,
    LAUNCHED_AGAIN,
    NOT_HELD,
    OF_RUN,
    end_attempt,
    end_job,
    ended,
    fail_job,
    locked_job,
    of_hold,
    of_key,
    of_run,
    start_job,
)
from orchestration.storage.rows import (
    AnyRow,
    Values,
    claim_document,
    error_document,
    grant_from,
    job_from,
    stage_from,
)
from orchestration.storage.schema import attempts, jobs, stages
from orchestration.storage.types import now_s
from pipeline.ids import WHOLE, Claim, Hold, StageKey
from pipeline.job import JobError, JobState, StageRecord, StageState, stage_sources
from pipeline.ports import Finished, Renewal
from pipeline.verdicts import why_refused
from pipeline.work import Grant, Refusal, Refused

# claim

_TAKE = (
    update(stages)
    .where(IS_STAGE, stages.c.state.in_(stage_sources(StageState.RUNNING)), stages.c.not_before <= now_s())
    .values(
        state=StageState.RUNNING,
        epoch=stages.c.epoch + 1,
        lease_until=now_s() + bindparam("lease_s"),
        relaunches=0,
    )
    # Plain columns: SQLite 3.40 takes `parked_since IS NULL` for false in a RETURNING clause.
    .returning(
        stages.c.epoch,
        stages.c.position,
        stages.c.attempts,
        stages.c.losses,
        stages.c.parked_since,
        stages.c.level,
        stages.c.input,
        now_s().label("now_s"),
    )
)
_BEGIN_ATTEMPT = insert(attempts)
_DONE_BEFORE = (
    select(stages)
    .where(OF_RUN, stages.c.position < bindparam("before"), stages.c.part == WHOLE)
    .order_by(stages.c.position)
)
_RESULTS = (
    select(stages.c.claim)
    .where(OF_RUN, stages.c.stage == bindparam("this_stage"), stages.c.part != WHOLE)
    .where(stages.c.level == bindparam("this_level"))
    .order_by(stages.c.part)
)
_STAGE_NOW = select(stages, now_s().label("now_s")).where(IS_STAGE)


def claim(
    connection: Connection, key: StageKey, *, owner: str, message_id: str | None, lease_s: float, at: datetime
) -> Grant | Refused:
    job = locked_job(connection, key.job_id)
    if job is None or job.run != key.run or job.state.is_terminal:
        return _refused(connection, key, job)
    started = {"owner": owner, "started_at": at}
    taken = connection.execute(_TAKE, {"lease_s": lease_s, "message_id": message_id, **started, **of_key(key)}).first()
    if taken is None:
        return _refused(connection, key, job)
    row = {"job_id": key.job_id, "run": key.run, "stage": key.stage, "part": key.part, "epoch": taken.epoch}
    connection.execute(_BEGIN_ATTEMPT, {**row, "tenant_id": job.tenant_id, **started})
    if job.state is JobState.QUEUED:
        start_job(connection, key.job_id, key.run, at)
    return grant_from(key, job, taken, _done_before(connection, key, taken.position), _results(connection, key, taken))


def _done_before(connection: Connection, key: StageKey, position: int) -> list[StageRecord]:
    if position == 0:
        return []
    rows = connection.execute(_DONE_BEFORE, {"before": position, **of_run(key.job_id, key.run)})
    return [stage_from(row) for row in rows]


def _results(connection: Connection, key: StageKey, taken: AnyRow) -> list[Claim]:
    if taken.level == 0 or key.part != WHOLE:
        return []
    of_level = {"this_stage": key.stage, "this_level": taken.level, **of_run(key.job_id, key.run)}
    return [Claim.from_dict(document) for document in connection.scalars(_RESULTS, of_level)]


def _refused(connection: Connection, key: StageKey, job: AnyRow | None) -> Refused:
    stage = connection.execute(_STAGE_NOW, of_key(key)).first()
    if job is None or stage is None:
        return Refused(Refusal.OVER)
    return why_refused(job_from(job), stage_from(stage), run=key.run, now_s=stage.now_s)


# renew

_KEY = (stages.c.job_id, stages.c.run, stages.c.stage, stages.c.part)
_HOLD = (*_KEY, stages.c.epoch)


def renew(connection: Connection, holds: Collection[Hold], lease_s: float) -> Renewal:
    rows = connection.execute(
        update(stages)
        .where(tuple_(*_HOLD).in_([_tuple(hold) for hold in holds]), stages.c.state == StageState.RUNNING)
        .values(lease_until=now_s() + lease_s)
        .returning(*_HOLD)
    )
    gone = set(holds) - {Hold(StageKey(*row[:4]), row[4]) for row in rows}
    cancelled = _cancelled(connection, gone) if gone else frozenset()
    return Renewal(lost=frozenset(gone) - cancelled, cancelled=cancelled)


def _cancelled(connection: Connection, holds: Collection[Hold]) -> frozenset[Hold]:
    among = tuple_(*_KEY).in_([_tuple(hold)[:4] for hold in holds])
    over = or_(stages.c.state == StageState.CANCELLED, jobs.c.state == JobState.CANCELLED)
    rows = connection.execute(select(*_KEY).join(jobs, jobs.c.id == stages.c.job_id).where(among, over))
    keys = {StageKey(*row) for row in rows}
    return frozenset(hold for hold in holds if hold.key in keys)


def _tuple(hold: Hold) -> tuple[str, int, str, int, int]:
    key = hold.key
    return key.job_id, key.run, key.stage, key.part, hold.epoch


# complete, release, fail

END_HELD = update(stages).where(IS_HELD).values(attempts=stages.c.attempts + bindparam("spent"))
_WAS_LOST = exists().where(
    *(attempts.c[name] == stages.c[name] for name in ("job_id", "run", "stage", "part")),
    attempts.c.epoch == bindparam("this_epoch"),
    attempts.c.outcome == "lost",
)
_COUNT_STALE = update(stages).where(IS_STAGE, _WAS_LOST).values(stale_writes=stages.c.stale_writes + 1)
POSITION = stages.c.position
_COMPLETE = END_HELD.values(state=StageState.SUCCEEDED, error=None, **NOT_HELD)
_RETRY = END_HELD.values(not_before=now_s() + bindparam("delay_s"), **LAUNCHED_AGAIN)
_POSTPONE = _RETRY.values(parked_since=func.coalesce(stages.c.parked_since, now_s()))
# As if the wait had not been; NULL stays NULL.
_AWAIT = _RETRY.values(parked_since=stages.c.parked_since + bindparam("delay_s"))
# Not simply the one after: stages between may have succeeded before an output was lost.
_IS_WAITING = and_(OF_RUN, stages.c.state == StageState.WAITING, stages.c.part == WHOLE)
_NEXT_WAITING = select(func.min(POSITION)).where(_IS_WAITING).correlate(None)
_MAKE_NEXT_READY = update(stages).where(_IS_WAITING, _NEXT_WAITING.scalar_subquery() == POSITION).values(LAUNCHED_AGAIN)
_LATER_STAGE = (
    select(POSITION)
    .where(OF_RUN, select(POSITION).where(IS_STAGE).correlate(None).scalar_subquery() < POSITION)
    .limit(1)
)


def is_last(connection: Connection, key: StageKey) -> bool:
    """Whether no stage of the run comes after this one."""
    return connection.execute(_LATER_STAGE, of_key(key)).first() is None


def complete(connection: Connection, hold: Hold, claim: Claim, end: Finished) -> bool:
    key = hold.key
    locked_job(connection, key.job_id)
    if not succeed(connection, hold, claim, end):
        return False
    if connection.execute(_MAKE_NEXT_READY, of_run(key.job_id, key.run)).rowcount == 0:
        end_job(connection, key.job_id, key.run, JobState.SUCCEEDED, end.at, result=claim)
    return True


def succeed(connection: Connection, hold: Hold, claim: Claim, end: Finished) -> bool:
    """Record what came of a held attempt; False when the hold is not valid."""
    values = {"claim": claim_document(claim), "finished_at": end.at, "duration_s": end.duration_s}
    if not end_held(connection, _COMPLETE, hold, values, spends=True):
        return False
    end_attempt(connection, hold, "succeeded", end.at, duration_s=end.duration_s)
    return True


def release(
    connection: Connection, hold: Hold, error: JobError, *, delay_s: float, spends: bool, parks: bool, end: Finished
) -> bool:
    values = {"delay_s": delay_s, "error": error_document(error)}
    if spends or error.is_waited_for:
        kept = end_held(connection, _RETRY, hold, {"parked_since": None, **values}, spends=spends)
    else:
        kept = end_held(connection, _POSTPONE if parks else _AWAIT, hold, values, spends=False)
    if not kept:
        return False
    outcome = "retried" if spends else "postponed"
    end_attempt(connection, hold, outcome, end.at, duration_s=end.duration_s, error=error)
    return True


def fail(connection: Connection, hold: Hold, error: JobError, *, spends: bool, end: Finished) -> bool:
    key = hold.key
    locked_job(connection, key.job_id)
    values = ended(StageState.FAILED, end.at, error)
    if not end_held(connection, END_HELD, hold, values, spends=spends):
        return False
    end_attempt(connection, hold, "failed", end.at, duration_s=end.duration_s, error=error)
    fail_job(connection, key, error, end.at)
    return True


def end_held(connection: Connection, move: Update, hold: Hold, values: Values, *, spends: bool) -> bool:
    """Write how a held attempt leaves its stage; False when the hold is not valid."""
    if connection.execute(move, {"spent": int(spends), **values, **of_hold(hold)}).rowcount > 0:
        return True
    connection.execute(_COUNT_STALE, of_hold(hold))
    return False
