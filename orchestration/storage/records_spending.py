"""What was spent on language models: with each attempt as long as its job is kept, and by day for ever.

The day is written last in a transaction, the models in order, so that two that wait for each other cannot be.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date

from sqlalchemy import ColumnElement, Connection, and_, func, literal, select

from orchestration.storage import records_answers as answers
from orchestration.storage.rows import AnyRow, Values
from orchestration.storage.schema import attempt_usage, attempts, daily_usage, jobs
from orchestration.storage.upsert import upsert
from pipeline.ids import Hold
from pipeline.ports import Finished
from pipeline.spending import COUNTS, DayOfUsage, Spent

SUMS: list[ColumnElement[int]] = [func.sum(attempt_usage.c[name]).label(name) for name in COUNTS]
_CURRENCY = func.max(attempt_usage.c.currency).label("currency")


def record(connection: Connection, hold: Hold, ended: Finished) -> None:
    """Count what an attempt spent, unless it was counted before."""
    if ended.spending is None:
        return
    day = ended.at.astimezone(UTC).date()
    for model, spent in sorted(ended.spending.by_model.items()):
        if _is_new(connection, hold, model, spent):
            _add_to_day(connection, ended.spending.tenant_id, day, model, spent)
    answers.judge(connection, ended.spending)


def _is_new(connection: Connection, hold: Hold, model: str, spent: Spent) -> bool:
    """Keep it with the attempt. Of one that was erased meanwhile nothing is kept but the day's sum."""
    key = {**asdict(hold.key), "epoch": hold.epoch}
    this_attempt = and_(*(attempts.c[name] == value for name, value in key.items()))
    if connection.execute(select(attempts.c.epoch).where(this_attempt)).first() is None:
        return True
    row = select(*_literals({**key, "model": model, **asdict(spent)}), attempts.c.tenant_id).where(this_attempt)
    names = [*key, "model", *asdict(spent), "tenant_id"]
    kept = upsert(connection, attempt_usage).from_select(names, row).on_conflict_do_nothing()
    return connection.execute(kept.returning(attempt_usage.c.epoch)).first() is not None


def _literals(values: Values) -> list[ColumnElement[object]]:
    return [literal(value, attempt_usage.c[name].type) for name, value in values.items()]


def _add_to_day(connection: Connection, tenant_id: str, day: date, model: str, spent: Spent) -> None:
    values = {"tenant_id": tenant_id, "day": day, "model": model, **asdict(spent)}
    insert = upsert(connection, daily_usage).values(values)
    added: Values = {name: daily_usage.c[name] + insert.excluded[name] for name in COUNTS}
    added["currency"] = func.coalesce(insert.excluded.currency, daily_usage.c.currency)
    connection.execute(insert.on_conflict_do_update(index_elements=["tenant_id", "day", "model"], set_=added))


def of_job(connection: Connection, job_id: str) -> dict[tuple[int, str, int, int], Spent]:
    """What each attempt at a job spent, by run, stage, part and epoch."""
    known = attempt_usage.c
    by_attempt = (known.run, known.stage, known.part, known.epoch)
    sums = select(*by_attempt, *SUMS, _CURRENCY).where(known.job_id == job_id).group_by(*by_attempt)
    return {(row.run, row.stage, row.part, row.epoch): spent_from(row) for row in connection.execute(sums)}


def of_batches(connection: Connection, tenants: set[str], batch_ids: Sequence[str]) -> dict[str, Spent]:
    """What the jobs of batches spent that are kept still."""
    of_batch = and_(jobs.c.tenant_id.in_(tenants), jobs.c.batch_id.in_(batch_ids))
    joined = select(jobs.c.batch_id, *SUMS, _CURRENCY).join(attempt_usage, attempt_usage.c.job_id == jobs.c.id)
    rows = connection.execute(joined.where(of_batch).group_by(jobs.c.batch_id))
    return {row.batch_id: spent_from(row) for row in rows}


def usage(connection: Connection, tenant_id: str, first: date, last: date) -> list[DayOfUsage]:
    of_tenant = and_(daily_usage.c.tenant_id == tenant_id, daily_usage.c.day.between(first, last))
    rows = connection.execute(select(daily_usage).where(of_tenant).order_by(daily_usage.c.day, daily_usage.c.model))
    return [DayOfUsage(row.day, row.model, spent_from(row)) for row in rows]


def by_model(connection: Connection) -> dict[str, Spent]:
    """Of all tenants since the beginning."""
    known = daily_usage.c
    sums = [func.sum(known[name]).label(name) for name in COUNTS]
    rows = connection.execute(
        select(known.model, *sums, func.max(known.currency).label("currency")).group_by(known.model)
    )
    return {row.model: spent_from(row) for row in rows}


def spent_from(row: AnyRow) -> Spent:
    return Spent(**{name: int(getattr(row, name)) for name in COUNTS}, currency=row.currency)
