"""Doing a stage in parts: recording them, and what is next when one is done."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, func, select, update

from orchestration.storage.records_attempts import END_HELD, end_held, succeed
from orchestration.storage.records_jobs import INSERT_STAGE
from orchestration.storage.records_keeping import suspects
from orchestration.storage.records_moves import (
    IS_STAGE,
    LAUNCHED_AGAIN,
    NOT_HELD,
    OF_RUN,
    end_attempt,
    locked_job,
    of_key,
)
from orchestration.storage.rows import AnyRow, part_values
from orchestration.storage.schema import runs, stages
from pipeline.ids import WHOLE, Claim, Hold, StageKey
from pipeline.job import PartCount, StageState
from pipeline.ports import Finished
from pipeline.runs import RunOrigin
from pipeline.work import Division, Suspect

_OF_STAGE = (stages.c.job_id == bindparam("this_job"), stages.c.stage == bindparam("this_stage"))
_IS_PART = (OF_RUN, stages.c.stage == bindparam("this_stage"), stages.c.part != WHOLE)
_SPLIT = END_HELD.values(
    state=StageState.SPLIT, level=bindparam("new_level"), error=None, parked_since=None, **NOT_HELD
)
_WHOLE = select(stages).where(IS_STAGE)
_LATEST = select(func.coalesce(func.max(stages.c.part), 0), func.coalesce(func.max(stages.c.level), 0)).where(*_IS_PART)
# A run that was not opened by a retry, and those after it, which were.
_SINCE = select(func.max(runs.c.run)).where(
    runs.c.job_id == bindparam("this_job"), runs.c.run <= bindparam("this_run"), runs.c.origin != RunOrigin.RETRY
)
_DONE = (
    select(stages)
    .where(*_OF_STAGE, stages.c.part != WHOLE, stages.c.run.between(_SINCE.scalar_subquery(), bindparam("this_run")))
    .where(stages.c.state == StageState.SUCCEEDED, stages.c.input.is_not(None), stages.c.claim.is_not(None))
    .order_by(stages.c.run)
)
_COUNT = (
    select(
        func.count().label("total"),
        func.count().filter(stages.c.state == StageState.SUCCEEDED).label("done"),
        func.min(stages.c.part).filter(stages.c.state == StageState.WAITING).label("waiting"),
    )
    .where(*_IS_PART)
    .where(stages.c.level == bindparam("this_level"))
)
_LAUNCH_WAITING = update(stages).where(IS_STAGE, stages.c.state == StageState.WAITING).values(LAUNCHED_AGAIN)
_UNLAUNCH = (
    update(stages).where(*_IS_PART, stages.c.state == StageState.READY, stages.c.epoch == 0).values(launched_at=None)
)
_LAUNCH_SPLIT = update(stages).where(IS_STAGE, stages.c.state == StageState.SPLIT).values(LAUNCHED_AGAIN)


def split(connection: Connection, hold: Hold, inputs: Sequence[Claim], at_once: int, end: Finished) -> Division | None:
    key = hold.key
    locked_job(connection, key.job_id)
    number, level = connection.execute(_LATEST, of_key(key)).one()
    if not end_held(connection, _SPLIT, hold, {"new_level": level + 1}, spends=False):
        return None
    end_attempt(connection, hold, "split", end.at, duration_s=end.duration_s)
    whole = connection.execute(_WHOLE, of_key(key)).one()
    done = {row.input["sha256"]: row for row in connection.execute(_DONE, of_key(key))}
    rows = part_values(whole, number + 1, inputs, done, at_once)
    connection.execute(INSERT_STAGE, rows)
    launched = [row["part"] for row in rows if row["is_launched"]]
    if not launched:
        connection.execute(_LAUNCH_SPLIT, of_key(key))
    return _division(connection, whole, launched or [WHOLE])


def complete_part(connection: Connection, hold: Hold, claim: Claim, end: Finished) -> Division | None:
    key = hold.key
    locked_job(connection, key.job_id)
    if not succeed(connection, hold, claim, end):
        return None
    whole_key = StageKey(key.job_id, key.run, key.stage)
    whole = connection.execute(_WHOLE, of_key(whole_key)).one()
    waiting = _counted(connection, whole).waiting
    if waiting is not None:
        connection.execute(_LAUNCH_WAITING, of_key(StageKey(key.job_id, key.run, key.stage, waiting)))
        return _division(connection, whole, [waiting])
    division = _division(connection, whole, [])
    if division.is_done:
        connection.execute(_LAUNCH_SPLIT, of_key(whole_key))
    return division


def unlaunch(connection: Connection, key: StageKey) -> None:
    connection.execute(_UNLAUNCH, of_key(key))


def _division(connection: Connection, whole: AnyRow, launched: Sequence[int]) -> Division:
    count = _counted(connection, whole)
    return Division(PartCount(count.done, count.total), tuple(_ready(connection, whole, launched)))


def _counted(connection: Connection, whole: AnyRow) -> AnyRow:
    return connection.execute(_COUNT, {"this_level": whole.level, **of_key(_key(whole))}).one()


def _ready(connection: Connection, whole: AnyRow, parts: Sequence[int]) -> list[Suspect]:
    if not parts:
        return []
    of_stage = (stages.c.job_id == whole.job_id, stages.c.run == whole.run, stages.c.stage == whole.stage)
    return suspects(connection, len(parts), *of_stage, stages.c.part.in_(parts))


def _key(row: AnyRow) -> StageKey:
    return StageKey(row.job_id, row.run, row.stage, row.part)
