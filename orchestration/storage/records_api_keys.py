"""API keys: recorded by their hash, found by their prefix."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, insert, null, or_, select, update

from orchestration.storage.rows import AnyRow
from orchestration.storage.schema import api_keys
from pipeline.errors import KeyNotFound
from pipeline.ids import canonical_uuid
from pipeline.keys import USE_NOTED_EVERY, ApiKey, KeyScope


def add(connection: Connection, key: ApiKey) -> bool:
    if find(connection, key.prefix) is not None:
        return False
    connection.execute(insert(api_keys), asdict(key) | {"scopes": sorted(key.scopes)})
    return True


def find(connection: Connection, prefix: str) -> ApiKey | None:
    row = connection.execute(select(api_keys).where(api_keys.c.prefix == prefix)).first()
    return None if row is None else _key_from(row)


def everything(connection: Connection) -> Sequence[ApiKey]:
    # Ids are ordered by time.
    return [_key_from(row) for row in connection.execute(select(api_keys).order_by(api_keys.c.id))]


def revoke(connection: Connection, which: str, at: datetime) -> ApiKey:
    meant = or_(api_keys.c.id == canonical_uuid(which), api_keys.c.prefix == which)
    connection.execute(update(api_keys).where(meant, api_keys.c.revoked_at.is_(null())).values(revoked_at=at))
    row = connection.execute(select(api_keys).where(meant)).first()
    if row is None:
        raise KeyNotFound(which)
    return _key_from(row)


def note_use(connection: Connection, key_id: str, at: datetime) -> None:
    last_used_at = api_keys.c.last_used_at
    is_news = or_(last_used_at.is_(null()), last_used_at <= at - USE_NOTED_EVERY)
    connection.execute(update(api_keys).where(api_keys.c.id == key_id, is_news).values(last_used_at=at))


def _key_from(row: AnyRow) -> ApiKey:
    return ApiKey(**row._asdict() | {"scopes": frozenset(map(KeyScope, row.scopes))})
