"""Runs that are held back: whether one has to be, in which line it waits, and when it is admitted.

Whoever takes held runs locks their rows in `held_job` first and passes over those that somebody else has, so that two
who take several runs never wait for each other in a circle.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    Boolean,
    ColumnElement,
    Connection,
    Double,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    tuple_,
    update,
)

from orchestration.storage.records_moves import LAUNCHED_AGAIN
from orchestration.storage.rows import AnyRow, Values, job_from
from orchestration.storage.schema import held_jobs, jobs, runs, stages
from orchestration.storage.types import now_s
from pipeline.ids import WHOLE
from pipeline.job import Lane, StageState
from pipeline.shares import AT_ONCE, Admitted, Flow, Load

# Literals, as a partial index is not used for parameters.
_LAUNCHED = stages.c.state.in_([literal_column("'ready'"), literal_column("'running'")])
_ITS_RUN = and_(runs.c.job_id == stages.c.job_id, runs.c.run == stages.c.run)
_IS_DUE = held_jobs.c.not_before <= now_s()
_FLOW = (held_jobs.c.tenant_id, held_jobs.c.lane, held_jobs.c.flow)
_IN_TURN = (held_jobs.c.not_before, held_jobs.c.job_id)

# holding

_TENANT: BindParameter[str] = bindparam("this_tenant")
_LANE: BindParameter[Lane] = bindparam("this_lane", type_=held_jobs.c.lane.type)
_IS_HELD = exists().where(
    held_jobs.c.tenant_id == _TENANT,
    held_jobs.c.lane == _LANE,
    held_jobs.c.flow == bindparam("this_flow"),
    _IS_DUE,
)
_AT_WORK: Select[Any] = (
    select(literal_column("1"))
    .select_from(stages)
    .join(runs, _ITS_RUN)
    .where(
        stages.c.tenant_id == _TENANT,
        _LAUNCHED,
        stages.c.not_before <= now_s(),
        runs.c.lane == _LANE,
    )
    .limit(AT_ONCE)
)
_HAS_ROOM = select(
    and_(~_IS_HELD, select(func.count()).select_from(_AT_WORK.subquery()).scalar_subquery() < AT_ONCE).cast(Boolean)
)
_DELAY_S: BindParameter[float] = bindparam("delay_s", type_=Double())
_HOLD = insert(held_jobs).values(not_before=case((_DELAY_S > 0, now_s() + _DELAY_S), else_=0.0))


def has_room(connection: Connection, tenant_id: str, lane: Lane, flow: str) -> bool:
    """Whether the next run of this line is launched as it comes."""
    this = {"this_tenant": tenant_id, "this_lane": lane, "this_flow": flow}
    return bool(connection.execute(_HAS_ROOM, this).scalar_one())


def hold(connection: Connection, held: Sequence[Values]) -> None:
    """Hold runs back whose first stage waits; `delay_s` is how long from now each is due."""
    connection.execute(_HOLD, held)


# taking


def take(connection: Connection, limit: int, *among: ColumnElement[bool]) -> list[AnyRow]:
    """Held runs, which are held no more: what was to start at once, then by moments."""
    in_turn = select(held_jobs).where(*among).order_by(*_IN_TURN).limit(limit).with_for_update(skip_locked=True)
    taken = list(connection.execute(in_turn))
    if taken:
        these = tuple_(held_jobs.c.job_id, held_jobs.c.run).in_([(row.job_id, row.run) for row in taken])
        connection.execute(delete(held_jobs).where(these))
    return taken


def admit(connection: Connection, numbers: Mapping[Flow, int]) -> list[Admitted]:
    taken = [row for flow, number in numbers.items() for row in take(connection, number, *_of_flow(flow), _IS_DUE)]
    if not taken:
        return []
    keys = [(row.job_id, row.run, row.stage, WHOLE) for row in taken]
    these = tuple_(stages.c.job_id, stages.c.run, stages.c.stage, stages.c.part).in_(sorted(keys))
    ready = update(stages).where(these, stages.c.state == StageState.WAITING).values(LAUNCHED_AGAIN)
    launched = {tuple(row) for row in connection.execute(ready.returning(stages.c.job_id, stages.c.run))}
    known = {row.id: job_from(row) for row in connection.execute(select(jobs).where(jobs.c.id.in_(job_ids(taken))))}
    return [Admitted(known[row.job_id], row.stage, row.lane) for row in taken if (row.job_id, row.run) in launched]


def job_ids(rows: Sequence[AnyRow]) -> list[str]:
    return [row.job_id for row in rows]


def _of_flow(flow: Flow) -> tuple[ColumnElement[bool], ...]:
    return held_jobs.c.tenant_id == flow.tenant_id, held_jobs.c.lane == flow.lane, held_jobs.c.flow == flow.name


# looking

_HEADS = (
    select(*_FLOW, held_jobs.c.stage, jobs.c.stages, _IS_DUE.label("is_due"))
    .outerjoin(jobs, jobs.c.id == held_jobs.c.job_id)
    .order_by(*_FLOW, *_IN_TURN)
    .limit(1)
)
_AFTER = tuple_(*_FLOW) > tuple_(bindparam("tenant"), bindparam("lane", type_=held_jobs.c.lane.type), bindparam("flow"))
_NEXT_HEAD = _HEADS.where(_AFTER)


def flows(connection: Connection) -> list[Flow]:
    """One search along the index for each line, however many wait in it."""
    return [_flow_from(head) for head in _heads(connection) if head.is_due]


def _heads(connection: Connection) -> Iterator[AnyRow]:
    head = connection.execute(_HEADS).first()
    while head is not None:
        yield head
        beyond = {"tenant": head.tenant_id, "lane": head.lane, "flow": head.flow}
        head = connection.execute(_NEXT_HEAD, beyond).first()


def _flow_from(head: AnyRow) -> Flow:
    # Of a job that is erased there is nothing; it is let go in its turn.
    names = () if head.stages is None else tuple(head.stages)
    return Flow(head.tenant_id, head.lane, head.flow, names[names.index(head.stage) :] if names else ())


_IS_PARKED = stages.c.not_before > now_s()
_LOADS = (
    select(
        stages.c.tenant_id,
        runs.c.lane,
        stages.c.stage,
        func.sum(case((and_(stages.c.state == StageState.READY, ~_IS_PARKED), 1), else_=0)),
        func.sum(case((stages.c.state == StageState.RUNNING, 1), else_=0)),
        func.sum(case((and_(stages.c.state == StageState.READY, _IS_PARKED), 1), else_=0)),
    )
    .join(runs, _ITS_RUN)
    .where(_LAUNCHED)
    .group_by(stages.c.tenant_id, runs.c.lane, stages.c.stage)
)


def loads(connection: Connection) -> list[Load]:
    return [Load(*row) for row in connection.execute(_LOADS)]
