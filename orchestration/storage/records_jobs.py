"""Accepting and cancelling jobs."""

from datetime import datetime

from sqlalchemy import Boolean, Connection, bindparam, case, insert, update

from orchestration.storage.records_moves import (
    IS_STAGE,
    cancel_rest,
    cut_off_attempts,
    end_job,
    locked_job,
    of_key,
)
from orchestration.storage.rows import job_values, run_values, stage_values
from orchestration.storage.schema import jobs, runs, stages
from orchestration.storage.types import now_s
from pipeline.errors import JobFinished, JobNotFound
from pipeline.ids import StageKey, canonical_uuid
from pipeline.job import JobState, NewJob, StageState

_INSERT_STAGE = insert(stages).values(launched_at=case((bindparam("is_launched", type_=Boolean()), now_s())))
_UNLAUNCH = update(stages).where(IS_STAGE, stages.c.state == StageState.READY).values(launched_at=None)


def accept(connection: Connection, new: NewJob) -> None:
    connection.execute(insert(jobs), job_values(new))
    connection.execute(insert(runs), run_values(new))
    connection.execute(_INSERT_STAGE, stage_values(new))


def unlaunch(connection: Connection, key: StageKey) -> None:
    connection.execute(_UNLAUNCH, of_key(key))


def request_cancel(connection: Connection, tenant_id: str, job_id: str, at: datetime) -> None:
    known_id = canonical_uuid(job_id)
    job = known_id and locked_job(connection, known_id)
    if not job or job.tenant_id != tenant_id:
        raise JobNotFound(job_id)
    if job.state is JobState.CANCELLED:
        return
    if job.state.is_terminal:
        raise JobFinished(job_id, job.state)
    cancel_rest(connection, job.id, job.run, at)
    cut_off_attempts(connection, job.id, job.run, "cancelled", at)
    end_job(connection, job.id, job.run, JobState.CANCELLED, at)
