"""Bulk actions: which jobs, whose turn it is, what became of each."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, and_, delete, exists, func, insert, literal, null, select, update

from orchestration.storage.paging import newest
from orchestration.storage.records_choosing import chosen
from orchestration.storage.records_jobs import discard, request_cancel
from orchestration.storage.records_runs import open_run
from orchestration.storage.rows import AnyRow, options_document
from orchestration.storage.schema import bulk_actions, bulk_items, jobs
from orchestration.storage.types import JOB_ID
from pipeline.bulk import (
    REFUSALS,
    SHOWN_FAILURES,
    BulkAction,
    BulkFailure,
    BulkItem,
    BulkOutcome,
    BulkVerb,
    NewBulkAction,
)
from pipeline.errors import BulkActionNotFound
from pipeline.ids import canonical_uuid
from pipeline.job import Job
from pipeline.pages import Page
from pipeline.ports import JobFilter
from pipeline.runs import NewRun
from stages.contract import Options

_WAITS = bulk_items.c.outcome.is_(null())


def record(connection: Connection, new: NewBulkAction) -> BulkAction:
    values = {
        "id": new.id,
        "tenant_id": new.tenant_id,
        "verb": new.verb,
        "from_stage": new.from_stage,
        "options": None if new.options is None else options_document(new.options),
        "created_at": new.created_at,
    }
    connection.execute(insert(bulk_actions), values)
    if isinstance(new.jobs, JobFilter):
        meant = chosen([literal(new.id, JOB_ID), jobs.c.id], new.tenant_id, new.jobs)
        connection.execute(insert(bulk_items).from_select(["action_id", "job_id"], meant))
    elif new.jobs:
        connection.execute(insert(bulk_items), [{"action_id": new.id, "job_id": job_id} for job_id in new.jobs])
    return _required(connection, new.tenant_id, new.id)


def read(connection: Connection, tenant_id: str, action_id: str) -> BulkAction | None:
    known_id = canonical_uuid(action_id)
    this_one = and_(bulk_actions.c.id == known_id, bulk_actions.c.tenant_id == tenant_id)
    row = connection.execute(select(bulk_actions).where(this_one)).first()
    if row is None:
        return None
    (action,) = _actions_from(connection, [row])
    return replace(action, failures=_failures(connection, action.id))


def page(connection: Connection, tenant_id: str, before: str | None, limit: int) -> Page[BulkAction]:
    wanted = select(bulk_actions).where(bulk_actions.c.tenant_id == tenant_id)
    return newest(connection, wanted, bulk_actions.c.id, partial(_actions_from, connection), before=before, limit=limit)


def _required(connection: Connection, tenant_id: str, action_id: str) -> BulkAction:
    action = read(connection, tenant_id, action_id)
    if action is None:
        raise BulkActionNotFound(action_id)
    return action


def _actions_from(connection: Connection, rows: Sequence[AnyRow]) -> list[BulkAction]:
    """The actions of these rows, without their failures."""
    counted = (bulk_items.c.action_id, bulk_items.c.outcome, bulk_items.c.code)
    groups: dict[str, list[AnyRow]] = defaultdict(list)
    for group in connection.execute(
        select(*counted, func.count().label("jobs"), func.max(bulk_items.c.acted_at).label("acted_at"))
        .where(bulk_items.c.action_id.in_([row.id for row in rows]))
        .group_by(*counted)
    ):
        groups[group.action_id].append(group)
    return [_action_from(row, groups[row.id]) for row in rows]


def _action_from(row: AnyRow, groups: Sequence[AnyRow]) -> BulkAction:
    counts: Counter[BulkOutcome | None] = Counter()
    for group in groups:
        counts[group.outcome] += group.jobs
    return BulkAction(
        id=row.id,
        verb=row.verb,
        from_stage=row.from_stage,
        options=_options_from(row),
        created_at=row.created_at,
        aborted_at=row.aborted_at,
        counts=counts,
        reasons={group.code: group.jobs for group in groups if group.code is not None},
        failures=(),
        acted_at=max((group.acted_at for group in groups if group.acted_at is not None), default=None),
    )


def _failures(connection: Connection, action_id: str) -> tuple[BulkFailure, ...]:
    failed = and_(bulk_items.c.action_id == action_id, bulk_items.c.outcome == BulkOutcome.FAILED)
    shown = select(bulk_items).where(failed).order_by(bulk_items.c.job_id).limit(SHOWN_FAILURES)
    return tuple(BulkFailure(each.job_id, each.code, each.message) for each in connection.execute(shown))


def _options_from(row: AnyRow) -> Options | None:
    return None if row.options is None else Options.model_validate(row.options)


def abort(connection: Connection, tenant_id: str, action_id: str, at: datetime) -> BulkAction:
    known = _required(connection, tenant_id, action_id)
    waiting = and_(bulk_items.c.action_id == known.id, _WAITS)
    if connection.execute(update(bulk_items).where(waiting).values(outcome=BulkOutcome.DROPPED)).rowcount:
        connection.execute(update(bulk_actions).where(bulk_actions.c.id == known.id).values(aborted_at=at))
    return _required(connection, tenant_id, action_id)


def waiting(connection: Connection, limit: int) -> Sequence[BulkItem]:
    of_action = bulk_items.c.action_id == bulk_actions.c.id
    found = select(bulk_actions, bulk_items.c.job_id).join_from(bulk_items, bulk_actions, of_action).where(_WAITS)
    # Ids are ordered by time.
    in_turn = found.order_by(bulk_items.c.action_id, bulk_items.c.job_id).limit(limit)
    return [
        BulkItem(row.id, row.tenant_id, row.job_id, row.verb, row.from_stage, _options_from(row))
        for row in connection.execute(in_turn)
    ]


def act(connection: Connection, item: BulkItem, new: NewRun) -> Job | None:
    """The item first: whoever has it holds off the others and an abort until the end of the transaction."""
    this_one = and_(bulk_items.c.action_id == item.action_id, bulk_items.c.job_id == item.job_id)
    taken = update(bulk_items).where(this_one, _WAITS).values(outcome=BulkOutcome.DONE, acted_at=new.at)
    if connection.execute(taken).rowcount == 0:
        return None
    try:
        return _carry_out(connection, item, new)
    except REFUSALS as error:
        reason = {"outcome": BulkOutcome.FAILED, "code": error.code, "message": str(error)}
        connection.execute(update(bulk_items).where(this_one).values(reason))
        return None


def _carry_out(connection: Connection, item: BulkItem, new: NewRun) -> Job | None:
    """Whatever is raised here is raised before anything is written."""
    match item.verb:
        case BulkVerb.RETRY | BulkVerb.REPLAY:
            return open_run(connection, item.tenant_id, item.job_id, new)
        case BulkVerb.DISCARD:
            discard(connection, item.tenant_id, item.job_id, new.at)
        case BulkVerb.CANCEL:
            request_cancel(connection, item.tenant_id, item.job_id, new.at)
    return None


def give_up(connection: Connection, item: BulkItem, failure: BulkFailure, at: datetime) -> None:
    this_one = and_(bulk_items.c.action_id == item.action_id, bulk_items.c.job_id == item.job_id)
    reason = {"outcome": BulkOutcome.FAILED, "acted_at": at, "code": failure.code, "message": failure.message}
    connection.execute(update(bulk_items).where(this_one, _WAITS).values(reason))


def forget(connection: Connection, before: datetime) -> int:
    has_waiting = exists().where(bulk_items.c.action_id == bulk_actions.c.id, _WAITS)
    old = delete(bulk_actions).where(bulk_actions.c.created_at < before, ~has_waiting)
    return connection.execute(old).rowcount
