"""Batches: chunks of jobs, those that are held back, and what became of all.

Whoever changes several jobs of a batch first locks the row of the batch, so that two such changes never wait for each
other in a circle.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial

from sqlalchemy import (
    BindParameter,
    Connection,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    null,
    or_,
    select,
    true,
    update,
)

from orchestration.storage import records_keys as keys
from orchestration.storage import records_outbox as outbox
from orchestration.storage import records_shares as shares
from orchestration.storage import records_sources as sources
from orchestration.storage import records_spending as spendings
from orchestration.storage import records_tenants as tenants
from orchestration.storage.paging import newest
from orchestration.storage.records_jobs import INSERT_STAGE
from orchestration.storage.records_moves import NOT_HELD
from orchestration.storage.rows import AnyRow, held_values, job_from, job_values, run_values, stage_values, tag_values
from orchestration.storage.schema import batches, held_jobs, job_tags, jobs, runs, stages
from pipeline.batches import (
    NO_RUN,
    NOTHING_READ,
    SHOWN_REJECTIONS,
    Batch,
    CancellingBatch,
    Chunk,
    NewBatch,
    Rejection,
)
from pipeline.errors import BatchCancelled, BatchNotFound, BatchReceiving
from pipeline.idempotency import IdempotencyKey
from pipeline.ids import canonical_uuid
from pipeline.job import FIRST_RUN, Job, JobState, StageState
from pipeline.pages import Page
from pipeline.sources import BatchProblem, SourceKey
from pipeline.spending import NOTHING
from pipeline.tenants import UNLIMITED, Allowance

_UNENDED = [state for state in JobState if not state.is_terminal]
_ENDED = [state for state in JobState if state.is_terminal]
_IDS: BindParameter[str] = bindparam("ids", expanding=True)
_OF_BATCH = and_(jobs.c.tenant_id == batches.c.tenant_id, jobs.c.batch_id == batches.c.id)
_HELD_STAGES = and_(
    stages.c.job_id.in_(_IDS),
    stages.c.run == FIRST_RUN,
    stages.c.state == StageState.WAITING,
)
_CANCEL_STAGES = update(stages).where(_HELD_STAGES).values(state=StageState.CANCELLED, **NOT_HELD)


# receiving


def open_batch(connection: Connection, new: NewBatch, key: IdempotencyKey | None) -> Batch:
    keys.use(connection, key, new.id, NO_RUN, new.created_at)
    values: dict[str, object] = {
        "id": new.id,
        "tenant_id": new.tenant_id,
        "name": new.name,
        "created_at": new.created_at,
        "plan": sources.plan_document(new.plan),
        "digest_order": new.digest_order and dict(new.digest_order),
        "received": 0,
        "rejected": 0,
        "rejections": [],
        "digest": NOTHING_READ,
        "heard_at": new.created_at,
        "is_cancelling": False,
    }
    connection.execute(insert(batches), values)
    if new.plan is not None:
        sources.add(connection, SourceKey(new.tenant_id, new.id, 0), [new.plan.url])
    return required(connection, new.tenant_id, new.id)


def accept_many(connection: Connection, batch: Batch, offered: Chunk, allowed: Allowance = UNLIMITED) -> list[str]:
    row = require_open(connection, batch)
    if row.received != offered.first:
        raise BatchReceiving(batch.id)
    chunk = tenants.take_in_many(connection, batch.tenant_id, offered, allowed)
    if chunk.jobs:
        _insert_held(connection, chunk)
    rejections = [*row.rejections, *map(asdict, chunk.rejections)][:SHOWN_REJECTIONS]
    values = {
        "received": row.received + chunk.size,
        "rejected": row.rejected + len(chunk.rejections),
        "rejections": rejections,
        "digest": chunk.digest,
        "heard_at": chunk.at,
        "sealed_at": chunk.at if chunk.is_last else None,
    }
    connection.execute(update(batches).where(batches.c.id == batch.id).values(values))
    accepted = {job.id for job in chunk.jobs}
    return [job.id for job in offered.jobs if job.id not in accepted]


def require_open(connection: Connection, batch: Batch) -> AnyRow:
    """The row of a batch that takes items, locked. Raises `BatchNotFound`, `BatchCancelled` or `BatchReceiving`."""
    row = locked_row(connection, batch.id)
    if row is None:
        raise BatchNotFound(batch.id)
    if row.cancelled_at is not None:
        raise BatchCancelled(batch.id)
    if row.sealed_at is not None:
        raise BatchReceiving(batch.id)
    return row


def _insert_held(connection: Connection, chunk: Chunk) -> None:
    connection.execute(insert(jobs), [job_values(job) for job in chunk.jobs])
    connection.execute(insert(runs), [run_values(job) for job in chunk.jobs])
    connection.execute(INSERT_STAGE, [values for job in chunk.jobs for values in stage_values(job, is_launched=False)])
    if tags := [values for job in chunk.jobs for values in tag_values(job)]:
        connection.execute(insert(job_tags), tags)
    shares.hold(connection, [held_values(job, job.due_in_s(chunk.at)) for job in chunk.jobs])


def cut_off(connection: Connection, batch: Batch) -> None:
    as_read = and_(batches.c.id == batch.id, batches.c.sealed_at.is_(null()))
    connection.execute(update(batches).where(as_read).values(heard_at=None))


# reading


def read(connection: Connection, tenant_id: str, batch_id: str) -> Batch | None:
    this_one = and_(batches.c.id == canonical_uuid(batch_id), batches.c.tenant_id == tenant_id)
    row = connection.execute(select(batches).where(this_one)).first()
    if row is None:
        return None
    return replace(_batches_from(connection, [row])[0], sources=sources.of_batch(connection, row.id))


def required(connection: Connection, tenant_id: str, batch_id: str) -> Batch:
    batch = read(connection, tenant_id, batch_id)
    if batch is None:
        raise BatchNotFound(batch_id)
    return batch


def page(connection: Connection, tenant_id: str, before: str | None, limit: int) -> Page[Batch]:
    wanted = select(batches).where(batches.c.tenant_id == tenant_id)
    read_rows = partial(_batches_from, connection, rejections=False)
    return newest(connection, wanted, batches.c.id, read_rows, before=before, limit=limit)


def results(connection: Connection, tenant_id: str, batch_id: str, after: str | None, limit: int) -> list[Job]:
    of_batch = and_(jobs.c.tenant_id == tenant_id, jobs.c.batch_id == canonical_uuid(batch_id))
    ended = select(jobs).where(of_batch, jobs.c.state.in_(_ENDED))
    if after is not None:
        ended = ended.where(jobs.c.id > after)
    return [job_from(row) for row in connection.execute(ended.order_by(jobs.c.id).limit(limit))]


def _batches_from(connection: Connection, rows: Sequence[AnyRow], *, rejections: bool = True) -> list[Batch]:
    counts: dict[str, dict[JobState, int]] = defaultdict(dict)
    tenants, ids = {row.tenant_id for row in rows}, [row.id for row in rows]
    counted = select(jobs.c.batch_id, jobs.c.state, func.count().label("jobs")).where(
        jobs.c.tenant_id.in_(tenants), jobs.c.batch_id.in_(ids)
    )
    for group in connection.execute(counted.group_by(jobs.c.batch_id, jobs.c.state)):
        counts[group.batch_id][group.state] = group.jobs
    spent = spendings.of_batches(connection, tenants, ids)
    found = (_batch_from(row, counts[row.id], rejections=rejections) for row in rows)
    states = _states_of(connection, {row.digest_job_id for row in rows} - {None})
    return [
        replace(batch, spent=spent.get(batch.id, NOTHING), digest_state=states.get(batch.digest_job_id or ""))
        for batch in found
    ]


def _states_of(connection: Connection, job_ids: Collection[str]) -> dict[str, JobState]:
    if not job_ids:
        return {}
    found = select(jobs.c.id, jobs.c.state).where(jobs.c.id.in_(job_ids))
    return {row.id: row.state for row in connection.execute(found)}


def _batch_from(row: AnyRow, counts: Mapping[JobState, int], *, rejections: bool) -> Batch:
    return Batch(
        id=row.id,
        tenant_id=row.tenant_id,
        name=row.name,
        created_at=row.created_at,
        received=row.received,
        rejected=row.rejected,
        rejections=tuple(Rejection(**each) for each in row.rejections) if rejections else (),
        digest=row.digest,
        heard_at=row.heard_at,
        sealed_at=row.sealed_at,
        cancelled_at=row.cancelled_at,
        is_cancelling=row.is_cancelling,
        counts=counts,
        plan=sources.plan_from(row.plan),
        digest_order=row.digest_order,
        digest_job_id=row.digest_job_id,
        digest_problem=None if row.digest_problem is None else BatchProblem(**row.digest_problem),
    )


# cancelling


def cancel(connection: Connection, tenant_id: str, batch_id: str, at: datetime) -> Batch:
    batch = required(connection, tenant_id, batch_id)
    locked_row(connection, batch.id)
    batch = required(connection, tenant_id, batch_id)
    if batch.unended or batch.awaits_digest or batch.sealed_at is None:
        values = {"cancelled_at": batch.cancelled_at or at, "is_cancelling": True}
        connection.execute(update(batches).where(batches.c.id == batch.id).values(values))
        sources.leave_out(connection, batch.id)
    return required(connection, tenant_id, batch_id)


def cancel_held(connection: Connection, batch_id: str, at: datetime, limit: int) -> list[Job]:
    locked_row(connection, batch_id)
    held = shares.job_ids(shares.take(connection, limit, held_jobs.c.batch_id == batch_id))
    is_held = and_(jobs.c.id.in_(held), jobs.c.run == FIRST_RUN, jobs.c.state == JobState.QUEUED)
    # key_share, as where a single job is locked.
    locked = select(jobs.c.id).where(is_held).order_by(jobs.c.id).with_for_update(key_share=True)
    ids = list(connection.scalars(locked))
    if not ids:
        return []
    cancelled = {"state": JobState.CANCELLED, "finished_at": at}
    connection.execute(_CANCEL_STAGES, {"ids": ids, "finished_at": at})
    connection.execute(update(runs).where(runs.c.job_id.in_(ids), runs.c.run == FIRST_RUN).values(cancelled))
    connection.execute(update(jobs).where(jobs.c.id.in_(ids)).values(cancelled))
    outbox.tell(connection, ids, FIRST_RUN, JobState.CANCELLED, at)
    return _jobs(connection, ids)


def unended(connection: Connection, work: CancellingBatch, limit: int) -> list[str]:
    of_tenant = and_(jobs.c.tenant_id == work.tenant_id, jobs.c.state.in_(_UNENDED))
    of_digest = select(batches.c.digest_job_id).where(batches.c.id == work.id)
    beside = or_(jobs.c.id.in_(sources.jobs_of(work.id)), jobs.c.id.in_(of_digest))
    found = select(jobs.c.id).where(of_tenant, jobs.c.batch_id == work.id).limit(limit)
    return [*connection.scalars(select(jobs.c.id).where(of_tenant, beside)), *connection.scalars(found)][:limit]


def end_cancelling(connection: Connection, batch_id: str) -> None:
    connection.execute(update(batches).where(batches.c.id == batch_id).values(is_cancelling=False))


def being_cancelled(connection: Connection) -> list[CancellingBatch]:
    found = select(batches.c.id, batches.c.tenant_id).where(batches.c.is_cancelling == true()).order_by(batches.c.id)
    return [CancellingBatch(*row) for row in connection.execute(found)]


def forget(connection: Connection, before: datetime) -> int:
    is_still = or_(
        batches.c.plan.is_(null()), batches.c.sealed_at.is_not(null()), batches.c.cancelled_at.is_not(null())
    )
    old = delete(batches).where(batches.c.created_at < before, is_still, ~exists().where(_OF_BATCH))
    return connection.execute(old).rowcount


def _jobs(connection: Connection, ids: Sequence[str]) -> list[Job]:
    return [job_from(row) for row in connection.execute(select(jobs).where(jobs.c.id.in_(ids)).order_by(jobs.c.id))]


def locked_row(connection: Connection, batch_id: str) -> AnyRow | None:
    """The row of a batch, locked against every other change of several of its jobs."""
    return connection.execute(select(batches).where(batches.c.id == batch_id).with_for_update()).first()
