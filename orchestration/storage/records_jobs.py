"""Accepting and cancelling jobs."""

from datetime import datetime

from sqlalchemy import Boolean, Connection, and_, bindparam, case, insert, update

from orchestration.storage import records_keys as keys
from orchestration.storage.records_moves import (
    IS_STAGE,
    cancel_rest,
    cut_off_attempts,
    end_job,
    of_key,
    require_job,
)
from orchestration.storage.rows import job_values, run_values, stage_values, tag_values
from orchestration.storage.schema import job_tags, jobs, runs, stages
from orchestration.storage.types import now_s
from pipeline.errors import JobFinished, JobUnfinished
from pipeline.idempotency import IdempotencyKey
from pipeline.ids import StageKey
from pipeline.job import FIRST_RUN, JobState, NewJob, StageState

INSERT_STAGE = insert(stages).values(launched_at=case((bindparam("is_launched", type_=Boolean()), now_s())))
_DELAY = update(stages).where(IS_STAGE).values(not_before=now_s() + bindparam("delay_s"))
_UNLAUNCH = update(stages).where(IS_STAGE, stages.c.state == StageState.READY).values(launched_at=None)


def accept(connection: Connection, new: NewJob, key: IdempotencyKey | None = None) -> None:
    keys.use(connection, key, new.id, FIRST_RUN, new.created_at)
    connection.execute(insert(jobs), job_values(new))
    connection.execute(insert(runs), run_values(new))
    connection.execute(INSERT_STAGE, stage_values(new))
    if new.terms.tags:
        connection.execute(insert(job_tags), tag_values(new))
    if new.delay_s:
        first = StageKey(new.id, FIRST_RUN, new.stages[0])
        connection.execute(_DELAY, {"delay_s": new.delay_s, **of_key(first)})


def unlaunch(connection: Connection, key: StageKey) -> None:
    connection.execute(_UNLAUNCH, of_key(key))


def request_cancel(connection: Connection, tenant_id: str, job_id: str, at: datetime) -> None:
    job = require_job(connection, tenant_id, job_id)
    if job.state is JobState.CANCELLED:
        return
    if job.state.is_terminal:
        raise JobFinished(job_id, job.state)
    cancel_rest(connection, job.id, job.run, at)
    cut_off_attempts(connection, job.id, job.run, "cancelled", at)
    end_job(connection, job.id, job.run, JobState.CANCELLED, at)


def discard(connection: Connection, tenant_id: str, job_id: str, at: datetime) -> None:
    job = require_job(connection, tenant_id, job_id)
    if not job.state.is_terminal:
        raise JobUnfinished(job_id, job.state)
    if job.state is not JobState.FAILED:
        raise JobFinished(job_id, job.state)
    dead_letter = and_(jobs.c.id == job.id, jobs.c.state == JobState.FAILED, jobs.c.discarded_at.is_(None))
    connection.execute(update(jobs).where(dead_letter).values(discarded_at=at))
