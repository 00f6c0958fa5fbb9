"""Digests of batches: which are due, and the jobs that make them."""

from dataclasses import asdict

from sqlalchemy import Connection, and_, exists, null, select, update

from orchestration.storage import records_batches, records_jobs
from orchestration.storage.schema import batches, jobs
from pipeline.batches import BatchKey
from pipeline.job import JobState, NewJob
from pipeline.sources import BatchProblem
from pipeline.tenants import Allowance

_UNENDED = [state for state in JobState if not state.is_terminal]
_HAS_UNENDED = exists().where(
    jobs.c.tenant_id == batches.c.tenant_id, jobs.c.batch_id == batches.c.id, jobs.c.state.in_(_UNENDED)
)
_IS_DUE = and_(
    batches.c.digest_order.is_not(null()),
    batches.c.digest_job_id.is_(null()),
    batches.c.digest_problem.is_(null()),
    batches.c.sealed_at.is_not(null()),
    batches.c.cancelled_at.is_(null()),
    ~_HAS_UNENDED,
)


def due(connection: Connection, limit: int) -> list[BatchKey]:
    found = select(batches.c.tenant_id, batches.c.id).where(_IS_DUE).order_by(batches.c.id).limit(limit)
    return [BatchKey(*row) for row in connection.execute(found)]


def record(connection: Connection, key: BatchKey, job: NewJob, allowed: Allowance) -> bool | None:
    if not _is_due(connection, key):
        return None
    is_launched = records_jobs.accept(connection, job, None, allowed)
    connection.execute(update(batches).where(batches.c.id == key.id).values(digest_job_id=job.id))
    return is_launched


def refuse(connection: Connection, key: BatchKey, problem: BatchProblem) -> None:
    if _is_due(connection, key):
        connection.execute(update(batches).where(batches.c.id == key.id).values(digest_problem=asdict(problem)))


def _is_due(connection: Connection, key: BatchKey) -> bool:
    records_batches.locked_row(connection, key.id)
    return connection.execute(select(batches.c.id).where(batches.c.id == key.id, _IS_DUE)).first() is not None
