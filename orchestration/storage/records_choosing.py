"""Which jobs a filter means. Whatever it is, the newest are found along an index that has their ids in order."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, false, func, select

from orchestration.storage.records_moves import spelled_out
from orchestration.storage.rows import AnyRow
from orchestration.storage.schema import job_tags, jobs, stages
from pipeline.ids import WHOLE, canonical_uuid, earliest_id, latest_id
from pipeline.job import PLACES, JobState
from pipeline.ports import JobFilter

FEW = 1000
"""So many jobs with a URL are looked up and sorted; where there are more, the newest are soon met among all jobs."""
LAST_CHARACTER = "\U0010ffff"

AnySelect = Select[*tuple[Any, ...]]


def chosen(columns: Sequence[ColumnElement[Any]], tenant_id: str, where: JobFilter) -> AnySelect:
    """These columns of the jobs that are meant, in no order."""
    return _chosen(columns, tenant_id, where)[0]


def newest(connection: Connection, tenant_id: str, where: JobFilter, *, before: str | None, limit: int) -> list[AnyRow]:
    """The newest jobs that are meant, or those before an id; no more than `limit`."""
    among = None if where.url is None else _beginning_with(connection, tenant_id, where.url)
    # An index is in order for one state only.
    walks = [replace(where, states=(state,)) for state in set(where.states)] or [where]
    wanted = (_before(tenant_id, replace(walk, url=None), before, limit) for walk in walks)
    rows = chain.from_iterable(
        connection.execute(query if among is None else query.where(among)).all() for query in wanted
    )
    return sorted(rows, key=lambda row: row.id, reverse=True)[:limit]


def _before(tenant_id: str, where: JobFilter, before: str | None, limit: int) -> AnySelect:
    wanted, job_id = _chosen(list(jobs.c), tenant_id, where)
    if before is not None:
        wanted = wanted.where(job_id < before)
    return wanted.order_by(job_id.desc()).limit(limit)


def _chosen(
    columns: Sequence[ColumnElement[Any]], tenant_id: str, where: JobFilter
) -> tuple[AnySelect, ColumnElement[str]]:
    """Also the column that has the ids in the order of the index to be read."""
    wanted, ids = select(*columns).select_from(jobs), []
    for tag in where.tags:
        tagged = job_tags.alias()
        wanted = wanted.join(tagged, tagged.c.job_id == jobs.c.id)
        wanted = wanted.where(tagged.c.tenant_id == tenant_id, tagged.c.tag == tag)
        ids.append(tagged.c.job_id)
    if where.stage is not None and not _has_failed(where):
        wanted = wanted.join(stages, and_(stages.c.job_id == jobs.c.id, stages.c.run == jobs.c.run))
        wanted = wanted.where(*_at_stage(tenant_id, where.stage))
        ids.append(stages.c.job_id)
    if not ids:
        wanted, ids = wanted.where(jobs.c.tenant_id == tenant_id), [jobs.c.id]
    return wanted.where(*_meant(where, ids[0])), ids[0]


def _has_failed(where: JobFilter) -> bool:
    """Whether only failed jobs are meant, which have the stage in their own row."""
    return where.states == (JobState.FAILED,)


def _at_stage(tenant_id: str, stage: str) -> Iterator[ColumnElement[bool]]:
    yield stages.c.tenant_id == tenant_id
    yield stages.c.stage == stage
    yield stages.c.part == WHOLE
    yield stages.c.state.in_(spelled_out(list(PLACES)))


def _meant(where: JobFilter, job_id: ColumnElement[str]) -> Iterator[ColumnElement[bool]]:
    if where.states:
        yield jobs.c.state == where.states[0] if len(where.states) == 1 else jobs.c.state.in_(where.states)
    equal = {
        jobs.c.error_stage: where.stage if _has_failed(where) else None,
        jobs.c.error_code: where.code,
        jobs.c.pipeline: where.pipeline,
        jobs.c.lane: where.lane,
        jobs.c.host: where.host,
        jobs.c.batch_id: None if where.batch_id is None else canonical_uuid(where.batch_id),
    }
    yield from (column == value for column, value in equal.items() if value is not None)
    if where.url is not None:
        yield from _in_range(where.url)
    yield from _created(where, job_id)
    if where.discarded is not None:
        yield jobs.c.discarded_at.is_not(None) if where.discarded else jobs.c.discarded_at.is_(None)


def _created(where: JobFilter, job_id: ColumnElement[str]) -> Iterator[ColumnElement[bool]]:
    """The ids are in the order of these moments, to the millisecond."""
    if where.created_after is not None:
        yield job_id >= earliest_id(where.created_after)
        yield jobs.c.created_at >= where.created_after
    if where.created_before is not None:
        yield job_id <= latest_id(where.created_before)
        yield jobs.c.created_at < where.created_before


def _beginning_with(connection: Connection, tenant_id: str, url: str) -> ColumnElement[bool]:
    """Few jobs by their ids, from the index of URLs; many by a condition that no index answers.

    The condition is wrapped, as PostgreSQL would take a bare comparison for rare, and sort what it leaves.
    """
    first = select(jobs.c.id).where(jobs.c.tenant_id == tenant_id, *_in_range(url))
    found = connection.scalars(first.order_by(jobs.c.url, jobs.c.id).limit(FEW + 1)).all()
    if len(found) <= FEW:
        return jobs.c.id.in_(found)
    return func.coalesce(func.substr(jobs.c.url, 1, len(url)) == url, false())


def _in_range(url: str) -> Iterator[ColumnElement[bool]]:
    yield jobs.c.url >= url
    yield jobs.c.url < url + LAST_CHARACTER
