"""Bringing a database to the current schema, and saying whether it is there."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, column, create_engine, inspect, select, table, text

from orchestration.storage.engine import answering, is_sqlite, parse_url, sqlite_engine
from orchestration.storage.schema import REVISION
from pipeline.errors import RecordsUnavailable

_MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION = table("alembic_version", column("version_num"))
_LOCK = 0x70656E73746F636B
"""Of PostgreSQL's advisory locks; the letters of "penstock"."""


def migrate(url: str) -> None:
    """Create or upgrade the schema. Several processes may do so at once; the first one does the work.

    Raises `RecordsUnavailable` when the database does not answer.
    """
    parsed = parse_url(url)
    with answering():
        if is_sqlite(parsed):
            _migrate_sqlite(parsed)
        else:
            _migrate_postgresql(parsed)


def _migrate_sqlite(url: URL) -> None:
    engine = sqlite_engine(url, begin="BEGIN IMMEDIATE", synchronous="FULL", pool_size=1)
    try:
        with _alone(f"{url.database}.lock"):
            _use_write_ahead_log(engine)
            with engine.begin() as connection:
                _upgrade(connection)
    finally:
        engine.dispose()


def _migrate_postgresql(url: URL) -> None:
    engine = create_engine(url, hide_parameters=True)
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            _upgrade(connection)
    finally:
        engine.dispose()


@contextmanager
def _alone(path: str) -> Iterator[None]:
    """Hold a lock file. SQLite's own locks do not cover the change to a write-ahead log: it fails when it meets one."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise RecordsUnavailable(f"the database cannot be opened: {error}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _use_write_ahead_log(engine: Engine) -> None:
    """Let reading go on while something is written. Kept in the file; cannot be done in a transaction."""
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


def current_revision(connection: Connection) -> str | None:
    """The migration the database is at; None when it has no schema yet."""
    if not inspect(connection).has_table(_VERSION.name):
        return None
    return connection.scalar(select(_VERSION.c.version_num))


def _upgrade(connection: Connection) -> None:
    if current_revision(connection) == REVISION:
        return
    # Imported here because it costs most of a second, which a database that is up to date need not pay.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
