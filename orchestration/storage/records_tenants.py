"""What was set for tenants, and whether one may submit more: asked in the transaction that records it."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, func, literal_column, select

from orchestration.storage.rows import AnyRow
from orchestration.storage.schema import daily_intake, jobs, tenants
from orchestration.storage.upsert import upsert
from pipeline.batches import Chunk, within
from pipeline.errors import TooManyBytes, TooManyJobs
from pipeline.job import JobState, NewJob
from pipeline.tenants import UNLIMITED, Allowance, Tenant

_UNENDED = [state for state in JobState if not state.is_terminal]


def find(connection: Connection, tenant_id: str) -> Tenant | None:
    row = connection.execute(select(tenants).where(tenants.c.id == tenant_id)).first()
    return None if row is None else _tenant_from(row)


def everything(connection: Connection) -> Sequence[Tenant]:
    return [_tenant_from(row) for row in connection.execute(select(tenants).order_by(tenants.c.id))]


def keep(connection: Connection, tenant: Tenant) -> None:
    values = asdict(tenant)
    new = upsert(connection, tenants).values(values)
    connection.execute(new.on_conflict_do_update(index_elements=["id"], set_=values))


def _tenant_from(row: AnyRow) -> Tenant:
    return Tenant(**row._asdict())


# whether there is room


def room_for_jobs(connection: Connection, tenant_id: str, most: int) -> int:
    """How many more jobs may be unended."""
    of_tenant: Select[Any] = select(literal_column("1")).where(
        jobs.c.tenant_id == tenant_id, jobs.c.state.in_(_UNENDED)
    )
    unended = connection.scalar(select(func.count()).select_from(of_tenant.limit(most).subquery()))
    return most - (unended or 0)


def require_room_for_job(connection: Connection, tenant_id: str, allowed: Allowance) -> None:
    """Raise `TooManyJobs` where one more would be too many."""
    most = allowed.jobs_in_flight
    if most is not None and room_for_jobs(connection, tenant_id, most) <= 0:
        raise TooManyJobs(most)


def take_in(connection: Connection, new: NewJob, allowed: Allowance) -> None:
    """Count the content of a job among that of the day. Raises `TooManyBytes`, and leaves it to be rolled back then."""
    most, size = allowed.bytes_per_day, new.content_bytes
    if most is None or size == 0:
        return
    if _added(connection, new.tenant_id, _day(new.created_at), size) > most:
        raise TooManyBytes(most, new.created_at)


def take_in_many(connection: Connection, tenant_id: str, chunk: Chunk, allowed: Allowance) -> Chunk:
    """The chunk with the jobs that the tenant may have still, their content counted; the others are rejected."""
    if allowed == UNLIMITED:
        return chunk
    unended = bytes_today = 0
    if allowed.jobs_in_flight is not None:
        unended = allowed.jobs_in_flight - room_for_jobs(connection, tenant_id, allowed.jobs_in_flight)
    if allowed.bytes_per_day is not None:
        # Also locks it until the end of the transaction.
        bytes_today = _added(connection, tenant_id, _day(chunk.at), 0)
    kept = within(chunk, allowed, unended=unended, bytes_today=bytes_today)
    if allowed.bytes_per_day is not None:
        _added(connection, tenant_id, _day(chunk.at), sum(job.content_bytes for job in kept.jobs))
    return kept


def forget_intake(connection: Connection, before: datetime) -> int:
    return connection.execute(delete(daily_intake).where(daily_intake.c.day < _day(before))).rowcount


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()


def _added(connection: Connection, tenant_id: str, day: date, size: int) -> int:
    new = upsert(connection, daily_intake).values(tenant_id=tenant_id, day=day, size=size)
    total = new.on_conflict_do_update(
        index_elements=["tenant_id", "day"], set_={"size": daily_intake.c.size + size}
    ).returning(daily_intake.c.size)
    return int(connection.execute(total).scalar_one())
