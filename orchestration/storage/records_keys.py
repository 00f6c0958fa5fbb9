"""Idempotency keys: used once, found again, forgotten after a day.

Another transaction that uses the same key waits until this one is committed, and finds what it made; or until it was
rolled back, and is the first itself.
"""

from datetime import datetime

from sqlalchemy import Connection, Select, delete, select, tuple_

from orchestration.storage.rows import AnyRow, Values
from orchestration.storage.schema import keys
from orchestration.storage.upsert import upsert
from pipeline.idempotency import KEPT, IdempotencyKey, UsedKey

_IDENTITY = (keys.c.tenant_id, keys.c.name)


def check(connection: Connection, key: IdempotencyKey, at: datetime) -> None:
    row = connection.execute(_row_of(key).where(keys.c.used_at > at - KEPT)).first()
    if row is not None:
        raise _used(row).refusal(key)


def use(connection: Connection, key: IdempotencyKey | None, job_id: str, run: int, at: datetime) -> None:
    if key is None:
        return
    values: Values = {"fingerprint": key.fingerprint, "job_id": job_id, "run": run, "used_at": at}
    insert = upsert(connection, keys).values(tenant_id=key.tenant_id, name=key.name, **values)
    is_old = keys.c.used_at <= at - KEPT
    taken = insert.on_conflict_do_update(index_elements=_IDENTITY, set_=values, where=is_old)
    if connection.execute(taken.returning(keys.c.name)).first() is None:
        raise _used(connection.execute(_row_of(key)).one()).refusal(key)


def forget(connection: Connection, at: datetime, limit: int) -> int:
    is_old = keys.c.used_at <= at - KEPT
    oldest = select(*_IDENTITY).where(is_old).order_by(keys.c.used_at).limit(limit)
    # Asked again of each row: it may have been used anew in the meantime.
    return connection.execute(delete(keys).where(tuple_(*_IDENTITY).in_(oldest), is_old)).rowcount


def _row_of(key: IdempotencyKey) -> Select[*tuple[object, ...]]:
    return select(keys).where(keys.c.tenant_id == key.tenant_id, keys.c.name == key.name)


def _used(row: AnyRow) -> UsedKey:
    return UsedKey(row.fingerprint, row.job_id, row.run, row.used_at)
