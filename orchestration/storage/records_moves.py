"""State changes that several operations share. Each compares before it sets.

Whoever changes more than one row of a job first locks the job's row, so that two changes of one job never wait
for each other in a circle. Statements are built once, as building one costs more than running it.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BindParameter, Connection, and_, bindparam, null, select, update

from orchestration.storage import records_outbox as outbox
from orchestration.storage.rows import AnyRow, Values, claim_document, error_document
from orchestration.storage.schema import attempts, jobs, runs, stages
from orchestration.storage.types import now_s
from pipeline.errors import IllegalTransition, JobNotFound
from pipeline.ids import WHOLE, Claim, Hold, StageKey, canonical_uuid
from pipeline.job import JobError, JobState, StageState, job_sources, stage_sources

# Which rows. The parameters come from `of_key` and `of_hold`.

_RUN: tuple[BindParameter[str], BindParameter[int]] = (bindparam("this_job"), bindparam("this_run"))
_STAGE: tuple[BindParameter[str], BindParameter[int]] = (bindparam("this_stage"), bindparam("this_part"))
OF_RUN = and_(stages.c.job_id == _RUN[0], stages.c.run == _RUN[1])
IS_STAGE = and_(OF_RUN, stages.c.stage == _STAGE[0], stages.c.part == _STAGE[1])
IS_HELD = and_(IS_STAGE, stages.c.state == StageState.RUNNING, stages.c.epoch == bindparam("this_epoch"))


def of_run(job_id: str, run: int) -> Values:
    return {"this_job": job_id, "this_run": run}


def of_key(key: StageKey) -> Values:
    return {**of_run(key.job_id, key.run), "this_stage": key.stage, "this_part": key.part}


def of_hold(hold: Hold) -> Values:
    return {**of_key(hold.key), "this_epoch": hold.epoch}


def spelled_out(state: StrEnum | list[JobState] | list[StageState]) -> BindParameter[StrEnum]:
    """A state written into the statement: a partial index is not used for a parameter."""
    return bindparam(None, state, expanding=isinstance(state, list), literal_execute=True)


# What changes in them.

NOT_HELD: Values = {"owner": None, "lease_until": None}
LAUNCHED_AGAIN: Values = {
    "state": StageState.READY,
    "launches": stages.c.launches + 1,
    "launched_at": now_s(),
    **NOT_HELD,
}


def ended(target: StageState, at: datetime, error: JobError) -> Values:
    """A stage that ends without an output."""
    return {"state": target, "error": error_document(error), "finished_at": at, **NOT_HELD}


# key_share, because a plain FOR UPDATE would also block the rows that refer to the job.
_LOCK_JOB = select(jobs).where(jobs.c.id == _RUN[0]).with_for_update(key_share=True)
_SOURCES: BindParameter[JobState] = bindparam("sources", expanding=True)
_MOVE_RUN = update(runs).where(runs.c.job_id == _RUN[0], runs.c.run == _RUN[1], runs.c.state.in_(_SOURCES))
_MOVE_JOB = update(jobs).where(jobs.c.id == _RUN[0], jobs.c.run == _RUN[1], jobs.c.state.in_(_SOURCES))
_CANCEL_REST = (
    update(stages)
    .where(OF_RUN, stages.c.state.in_(stage_sources(StageState.CANCELLED)))
    .values(state=StageState.CANCELLED, **NOT_HELD)
)
_CANCEL_PARTS = _CANCEL_REST.where(stages.c.stage == _STAGE[0], stages.c.part != WHOLE)
_FAIL_SPLIT = update(stages).where(OF_RUN, stages.c.state == StageState.SPLIT)
_OPEN_ATTEMPTS = update(attempts).where(
    attempts.c.job_id == _RUN[0], attempts.c.run == _RUN[1], attempts.c.outcome.is_(null())
)
_CUT_OFF_PARTS = _OPEN_ATTEMPTS.where(attempts.c.stage == _STAGE[0], attempts.c.part != WHOLE)
_END_ATTEMPT = update(attempts).where(
    attempts.c.job_id == _RUN[0],
    attempts.c.run == _RUN[1],
    attempts.c.stage == _STAGE[0],
    attempts.c.part == _STAGE[1],
    attempts.c.epoch == bindparam("this_epoch"),
)


def locked_job(connection: Connection, job_id: str) -> AnyRow | None:
    """The job's row, locked against every other change of this job until the transaction ends."""
    return connection.execute(_LOCK_JOB, {"this_job": job_id}).first()


def require_job(connection: Connection, tenant_id: str, job_id: str) -> AnyRow:
    """A tenant's job, locked. Raises `JobNotFound`."""
    known_id = canonical_uuid(job_id)
    job = None if known_id is None else locked_job(connection, known_id)
    if job is None or job.tenant_id != tenant_id:
        raise JobNotFound(job_id)
    return job


def start_job(connection: Connection, job_id: str, run: int, at: datetime) -> None:
    """Queued run and job start running."""
    _move_job(connection, job_id, run, JobState.RUNNING, {"started_at": at})


def end_job(
    connection: Connection,
    job_id: str,
    run: int,
    target: JobState,
    at: datetime,
    *,
    error: JobError | None = None,
    result: Claim | None = None,
) -> None:
    """Run and job end, and the webhooks of the tenant will be told."""
    values = {"finished_at": at, "error": error_document(error), "result": claim_document(result)}
    sought = {"error_code": error and error.code, "error_stage": error and error.stage}
    _move_job(connection, job_id, run, target, values, **sought)
    outbox.tell(connection, [job_id], run, target, at)


def _move_job(
    connection: Connection, job_id: str, run: int, target: JobState, values: Values, **of_job_only: Any
) -> None:
    parameters = {"state": target, "sources": job_sources(target), **values, **of_run(job_id, run)}
    moved = connection.execute(_MOVE_RUN, parameters).rowcount
    moved += connection.execute(_MOVE_JOB, {**parameters, **of_job_only}).rowcount
    if moved != 2:
        raise IllegalTransition(f"job {job_id} cannot become {target}")


def cancel_rest(connection: Connection, job_id: str, run: int, at: datetime) -> None:
    """Cancel the stages of a run that have not ended."""
    connection.execute(_CANCEL_REST, {"finished_at": at, **of_run(job_id, run)})


def cancel_parts(connection: Connection, whole: StageKey, at: datetime) -> None:
    """Cancel the parts of a stage that have not ended, and cut their attempts off."""
    parts = {"this_stage": whole.stage, **of_run(whole.job_id, whole.run)}
    connection.execute(_CANCEL_PARTS, {"finished_at": at, **parts})
    connection.execute(_CUT_OFF_PARTS, {"outcome": "cancelled", "finished_at": at, **parts})


def fail_job(connection: Connection, key: StageKey, error: JobError, at: datetime) -> None:
    """What follows when a stage or a part of it has failed for good."""
    if key.part != WHOLE:
        connection.execute(_FAIL_SPLIT, {**ended(StageState.FAILED, at, error), **of_run(key.job_id, key.run)})
        cut_off_attempts(connection, key.job_id, key.run, "cancelled", at)
    cancel_rest(connection, key.job_id, key.run, at)
    end_job(connection, key.job_id, key.run, JobState.FAILED, at, error=error)


def end_attempt(
    connection: Connection,
    hold: Hold,
    outcome: str,
    at: datetime,
    *,
    duration_s: float | None = None,
    error: JobError | None = None,
) -> None:
    """Say how an attempt ended; its duration is unknown when its worker did not say."""
    values = {"outcome": outcome, "finished_at": at, "duration_s": duration_s, "error": error_document(error)}
    connection.execute(_END_ATTEMPT, {**values, **of_hold(hold)})


def cut_off_attempts(
    connection: Connection, job_id: str, run: int, outcome: str, at: datetime, *, error: JobError | None = None
) -> None:
    """Say what became of the attempts of a run that nobody waits for any more."""
    values = {"outcome": outcome, "finished_at": at, "error": error_document(error)}
    connection.execute(_OPEN_ATTEMPTS, {**values, **of_run(job_id, run)})
