"""Sources of batches: which are to be read, which were, and how far they are taken."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from sqlalchemy import Connection, ScalarSelect, Select, and_, func, insert, null, or_, select, update

from orchestration.storage.rows import AnyRow
from orchestration.storage.schema import batch_sources, batches, jobs
from pipeline.job import JobState
from pipeline.sources import (
    OPEN,
    SOURCES_AT_ONCE,
    BatchProblem,
    BatchSource,
    SourceKey,
    SourcePlan,
    SourceState,
    Taken,
)

_ENDED = [state for state in JobState if state.is_terminal]
_IS_OPEN = batch_sources.c.state.in_(OPEN)
_OF_OPEN_BATCH = and_(
    batches.c.id == batch_sources.c.batch_id, batches.c.sealed_at.is_(null()), batches.c.cancelled_at.is_(null())
)
_KEY = (batch_sources.c.tenant_id, batch_sources.c.batch_id, batch_sources.c.position)
_NEW = {"state": SourceState.WAITING, "seen": 0, "found": 0}


# what is to be done


def ended(connection: Connection, limit: int) -> list[SourceKey]:
    with_job = batch_sources.join(batches, _OF_OPEN_BATCH).outerjoin(jobs, jobs.c.id == batch_sources.c.job_id)
    is_over = or_(jobs.c.id.is_(null()), jobs.c.state.in_(_ENDED))
    found = select(*_KEY).select_from(with_job).where(batch_sources.c.state == SourceState.READING, is_over)
    return [SourceKey(*row) for row in connection.execute(found.order_by(*_KEY[1:]).limit(limit))]


def waiting(connection: Connection) -> list[SourceKey]:
    first = func.min(batch_sources.c.position)
    found = (
        select(batch_sources.c.tenant_id, batch_sources.c.batch_id, first)
        .select_from(batch_sources.join(batches, _OF_OPEN_BATCH))
        .where(batch_sources.c.state == SourceState.WAITING, _in_reading() < SOURCES_AT_ONCE)
        .group_by(batch_sources.c.tenant_id, batch_sources.c.batch_id)
    )
    return [SourceKey(*row) for row in connection.execute(found.order_by(batch_sources.c.batch_id))]


def _in_reading() -> ScalarSelect[int]:
    others = batch_sources.alias()
    counted = select(func.count()).where(others.c.batch_id == batches.c.id, others.c.state == SourceState.READING)
    return counted.correlate(batches).scalar_subquery()


# changes, in the transaction of whoever holds the lock of the batch


def add(connection: Connection, of: SourceKey, urls: Sequence[str], *, first: int = 0, depth: int = 0) -> None:
    about = {"tenant_id": of.tenant_id, "batch_id": of.batch_id, "depth": depth, **_NEW}
    if urls:
        connection.execute(
            insert(batch_sources), [{**about, "position": n, "url": url} for n, url in enumerate(urls, first)]
        )


def find(connection: Connection, key: SourceKey) -> BatchSource | None:
    row = connection.execute(select(batch_sources).where(_is(key))).first()
    return None if row is None else _source_from(row)


def count(connection: Connection, batch_id: str) -> int:
    return connection.scalar(select(func.count()).where(batch_sources.c.batch_id == batch_id)) or 0


def begin(connection: Connection, key: SourceKey, job_id: str) -> None:
    values = {"state": SourceState.READING, "job_id": job_id}
    connection.execute(update(batch_sources).where(_is(key)).values(values))


def record(connection: Connection, taken: Taken, found: int) -> None:
    values = {
        "state": taken.state,
        "seen": taken.seen,
        "found": batch_sources.c.found + found,
        "problem": taken.problem and asdict(taken.problem),
    }
    connection.execute(update(batch_sources).where(_is(taken.key)).values(values))


def leave_out(connection: Connection, batch_id: str) -> None:
    still_open = and_(batch_sources.c.batch_id == batch_id, _IS_OPEN)
    connection.execute(update(batch_sources).where(still_open).values(state=SourceState.LEFT_OUT))


def has_open(connection: Connection, batch_id: str) -> bool:
    still_open = select(batch_sources.c.position).where(batch_sources.c.batch_id == batch_id, _IS_OPEN)
    return connection.execute(still_open.limit(1)).first() is not None


# reading


def of_batch(connection: Connection, batch_id: str) -> tuple[BatchSource, ...]:
    found = select(batch_sources).where(batch_sources.c.batch_id == batch_id).order_by(batch_sources.c.position)
    return tuple(_source_from(row) for row in connection.execute(found))


def jobs_of(batch_id: str) -> Select[Any]:
    """The ids of the jobs that read the sources of a batch."""
    return select(batch_sources.c.job_id).where(
        batch_sources.c.batch_id == batch_id, batch_sources.c.job_id.is_not(null())
    )


def urls_of(connection: Connection, tenant_id: str, batch_id: str) -> set[str]:
    of_jobs = select(jobs.c.source).where(jobs.c.tenant_id == tenant_id, jobs.c.batch_id == batch_id)
    of_sources = select(batch_sources.c.url).where(batch_sources.c.batch_id == batch_id)
    found = {source.get("url") for source in connection.scalars(of_jobs)}
    return {url for url in found if url} | set(connection.scalars(of_sources))


def plan_document(plan: SourcePlan | None) -> dict[str, Any] | None:
    if plan is None:
        return None
    since = plan.since and plan.since.isoformat()
    return {"url": plan.url, "limit": plan.limit, "since": since, "job": dict(plan.job)}


def plan_from(document: Mapping[str, Any] | None) -> SourcePlan | None:
    if document is None:
        return None
    since = document["since"]
    return SourcePlan(document["url"], document["limit"], since and date.fromisoformat(since), document["job"])


def _is(key: SourceKey) -> Any:
    return and_(batch_sources.c.batch_id == key.batch_id, batch_sources.c.position == key.position)


def _source_from(row: AnyRow) -> BatchSource:
    return BatchSource(
        position=row.position,
        url=row.url,
        depth=row.depth,
        state=row.state,
        job_id=row.job_id,
        seen=row.seen,
        found=row.found,
        problem=None if row.problem is None else BatchProblem(**row.problem),
    )
