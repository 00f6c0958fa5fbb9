"""Pages of rows, newest first, along the order of their ids."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Column, Connection, Select

from orchestration.storage.rows import AnyRow
from pipeline.ids import canonical_uuid
from pipeline.pages import Listed, Page

T = TypeVar("T", bound=Listed)


def newest(
    connection: Connection,
    wanted: Select[*tuple[object, ...]],
    ids: Column[str],
    read: Callable[[Sequence[AnyRow]], Sequence[T]],
    *,
    before: str | None,
    limit: int,
) -> Page[T]:
    """What `read` makes of the newest rows, or of those that come after the one with the id `before`."""
    if before is not None:
        ceiling = canonical_uuid(before)
        if ceiling is None:
            return Page((), more=False)
        wanted = wanted.where(ids < ceiling)
    # One more than are shown tells whether there are more.
    rows = connection.execute(wanted.order_by(ids.desc()).limit(limit + 1)).all()
    return Page(tuple(read(rows[:limit])), more=len(rows) > limit)
