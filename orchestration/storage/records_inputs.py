"""Having an output made again that is lost, and what needs it wait."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select, update

from orchestration.storage.records_attempts import END_HELD, POSITION, end_held, fail
from orchestration.storage.records_moves import (
    IS_STAGE,
    NOT_HELD,
    OF_RUN,
    cancel_parts,
    end_attempt,
    ended,
    locked_job,
    of_key,
)
from orchestration.storage.rows import AnyRow, Values, error_document
from orchestration.storage.schema import stages
from pipeline.ids import WHOLE, Hold, StageKey
from pipeline.job import MAX_RERUNS, JobError, StageState
from pipeline.ports import Finished

_LEAVE = END_HELD.values(parked_since=None, **NOT_HELD)
_UP_TO_HERE = (
    select(stages)
    .where(OF_RUN, select(POSITION).where(IS_STAGE).correlate(None).scalar_subquery() >= POSITION)
    .order_by(POSITION, stages.c.part)
)
_LOSE_OUTPUT = (
    update(stages)
    .where(IS_STAGE, stages.c.state.in_([StageState.SUCCEEDED, StageState.SPLIT]), stages.c.reruns < MAX_RERUNS)
    .values(
        state=StageState.READY,
        reruns=stages.c.reruns + 1,
        attempts=0,
        claim=None,
        finished_at=None,
        duration_s=None,
        launched_at=None,
        parked_since=None,
    )
)
_FORGET_PARTS = update(stages).where(IS_STAGE).values(level=0)
_WAIT = update(stages).where(IS_STAGE, stages.c.state == StageState.SPLIT).values(state=StageState.WAITING)


def lose_input(connection: Connection, hold: Hold, error: JobError, claim_key: str, end: Finished) -> bool:
    """Run the stage or part again whose output is lost."""
    key = hold.key
    locked_job(connection, key.job_id)
    producer = _producer(connection.execute(_UP_TO_HERE, of_key(key)).all(), key, claim_key)
    if producer is None or producer.reruns >= MAX_RERUNS:
        return fail(connection, hold, error, spends=False, end=end)
    if not end_held(connection, _LEAVE, hold, _left(key, producer, error, end.at), spends=False):
        return False
    end_attempt(connection, hold, "returned", end.at, duration_s=end.duration_s, error=error)
    made_by = StageKey(key.job_id, key.run, producer.stage, producer.part)
    if made_by.stage != key.stage or key.part != WHOLE:
        _undo_split(connection, key, made_by, end.at)
    connection.execute(_LOSE_OUTPUT, of_key(made_by))
    return True


def _producer(rows: Sequence[AnyRow], key: StageKey, claim_key: str) -> AnyRow | None:
    """Whose output is missing: a stage before, a part of the same stage, or the stage that made the parts."""
    own = {row.part: row for row in rows if row.stage == key.stage}
    if (held := own.get(key.part)) is not None and held.input is not None and held.input["key"] == claim_key:
        return own[WHOLE]
    before = [row for row in rows if row.stage != key.stage and row.part == WHOLE]
    parts = [row for row in own.values() if key.part == WHOLE and row.part != WHOLE and row.level == own[WHOLE].level]
    made = (row for row in (*before, *parts) if row.claim is not None)
    return next((row for row in made if row.claim["key"] == claim_key), None)


def _left(key: StageKey, producer: AnyRow, error: JobError, at: datetime) -> Values:
    """What becomes of the one that misses an input."""
    if key.part != WHOLE:
        return ended(StageState.CANCELLED, at, error)
    target = StageState.WAITING if producer.part == WHOLE else StageState.SPLIT
    return {"state": target, "error": error_document(error)}


def _undo_split(connection: Connection, key: StageKey, made_by: StageKey, at: datetime) -> None:
    """Cancel the parts that are not done; the stage is split anew, now or after another has run again."""
    whole = StageKey(key.job_id, key.run, key.stage)
    if key.part != WHOLE:
        cancel_parts(connection, whole, at)
    connection.execute(_FORGET_PARTS, of_key(whole))
    if made_by != whole:
        connection.execute(_WAIT, of_key(whole))
