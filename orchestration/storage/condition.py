"""What can be said of a database whatever its schema: which one it has, and what time it is there."""

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from orchestration.storage.engine import Database, is_sqlite, parse_url
from orchestration.storage.migrate import current_revision
from orchestration.storage.types import now_s
from pipeline.errors import RecordsUnavailable


@dataclass(frozen=True, slots=True)
class Condition:
    """A database that answers."""

    revision: str | None
    """The migration it is at; None when it has no schema."""
    now: datetime
    """By its own clock."""


def condition_of(url: str, patience_s: float) -> Condition:
    """Look at a database and leave it as it is. Raises `RecordsUnavailable`, or `ValueError` for what is no URL."""
    _require_file(url)
    with closing(Database(url, pool_size=1, patience_s=patience_s)) as database, database.read() as connection:
        at_s = connection.execute(select(now_s())).scalar_one()
        return Condition(current_revision(connection), datetime.fromtimestamp(at_s, UTC))


def _require_file(url: str) -> None:
    """SQLite would make it."""
    parsed = parse_url(url)
    if is_sqlite(parsed) and not Path(str(parsed.database)).exists():
        raise RecordsUnavailable("there is no database yet")
