"""Accepting and cancelling jobs."""

from datetime import datetime

from sqlalchemy import Boolean, Connection, and_, bindparam, case, insert, update

from orchestration.storage import records_keys as keys
from orchestration.storage import records_shares as shares
from orchestration.storage import records_tenants as tenants
from orchestration.storage.records_moves import (
    IS_STAGE,
    cancel_rest,
    cut_off_attempts,
    end_job,
    of_key,
    require_job,
)
from orchestration.storage.rows import held_values, job_values, run_values, stage_values, tag_values
from orchestration.storage.schema import job_tags, jobs, runs, stages
from orchestration.storage.types import now_s
from pipeline.errors import JobFinished, JobUnfinished
from pipeline.idempotency import IdempotencyKey
from pipeline.ids import StageKey
from pipeline.job import FIRST_RUN, JobState, NewJob, StageState
from pipeline.shares import flow_of
from pipeline.tenants import UNLIMITED, Allowance

INSERT_STAGE = insert(stages).values(launched_at=case((bindparam("is_launched", type_=Boolean()), now_s())))
_UNLAUNCH = update(stages).where(IS_STAGE, stages.c.state == StageState.READY).values(launched_at=None)


def accept(
    connection: Connection,
    new: NewJob,
    key: IdempotencyKey | None = None,
    allowed: Allowance = UNLIMITED,
    *,
    may_launch: bool = True,
) -> bool:
    keys.use(connection, key, new.id, FIRST_RUN, new.created_at)
    tenants.require_room_for_job(connection, new.tenant_id, allowed)
    tenants.take_in(connection, new, allowed)
    is_launched = may_launch and not new.delay_s and _has_room(connection, new)
    connection.execute(insert(jobs), job_values(new))
    connection.execute(insert(runs), run_values(new))
    connection.execute(INSERT_STAGE, stage_values(new, is_launched=is_launched))
    if new.terms.tags:
        connection.execute(insert(job_tags), tag_values(new))
    if not is_launched:
        shares.hold(connection, [held_values(new, new.delay_s)])
    return is_launched


def _has_room(connection: Connection, new: NewJob) -> bool:
    return shares.has_room(connection, new.tenant_id, new.lane, flow_of(new.pipeline))


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
