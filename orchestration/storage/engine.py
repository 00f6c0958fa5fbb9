"""Connections to the database, and the one edge where its errors become ours.

SQLite    every write begins IMMEDIATE, so it never fails half-way for want of the lock. What must survive a
          power cut is committed with synchronous=FULL, the rest with NORMAL, which is ten times cheaper and
          loses at most the latest commits, which are then done again.
PostgreSQL  reads are one snapshot (REPEATABLE READ); writes are READ COMMITTED and lock the job's row first.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, Literal

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from pipeline.errors import RecordsUnavailable

Use = Literal["read", "write", "durable"]

PATIENCE_S = 10
"""How long to wait for a lock or a free connection before giving up, in seconds."""
LOCK_POLL_S = 0.0005


class Database:
    """Engines of one database, made at their first use: after a fork, never before."""

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        self._url = parse_url(url)
        self._pool_size = pool_size
        self._engines: dict[Use, Engine] = {}
        self._lock = Lock()

    @property
    def has_cheap_writes(self) -> bool:
        """Whether `durable` makes a difference."""
        return is_sqlite(self._url)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database throughout."""
        with answering(), self._engine("read").begin() as connection:
            yield connection

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Connection]:
        """A transaction, committed at the end of the block; `durable` ones survive a power cut."""
        with answering(), self._engine("durable" if durable else "write").begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections; the next use opens new ones."""
        with self._lock:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()

    def _engine(self, use: Use) -> Engine:
        with self._lock:
            if not self._engines:
                self._engines = make_engines(self._url, self._pool_size)
            return self._engines[use]


def parse_url(url: str) -> URL:
    """Read a SQLAlchemy URL. Raises `ValueError` unless it names a SQLite file or a PostgreSQL server."""
    parsed = make_url(url)
    match parsed.get_backend_name():
        case "sqlite" if parsed.database not in (None, "", ":memory:"):
            return parsed
        case "postgresql":
            return parsed.set(drivername="postgresql+psycopg")
        case _:
            raise ValueError("the database URL has to be sqlite:///FILE or postgresql://USER@HOST/NAME")


def is_sqlite(url: URL) -> bool:
    """Whether a parsed URL names a SQLite file."""
    return url.get_backend_name() == "sqlite"


def make_engines(url: URL, pool_size: int) -> dict[Use, Engine]:
    """An engine for each use of a database; on PostgreSQL they share one pool."""
    if is_sqlite(url):
        return {
            "read": sqlite_engine(url, begin="BEGIN", synchronous="NORMAL", pool_size=pool_size),
            "write": sqlite_engine(url, begin="BEGIN IMMEDIATE", synchronous="NORMAL", pool_size=1, busy_timeout_s=0),
            "durable": sqlite_engine(url, begin="BEGIN IMMEDIATE", synchronous="FULL", pool_size=1, busy_timeout_s=0),
        }
    engine = create_engine(
        url,
        pool_pre_ping=True,
        pool_size=pool_size,
        pool_timeout=PATIENCE_S,
        hide_parameters=True,
        connect_args={
            "connect_timeout": PATIENCE_S,
            "application_name": "penstock",
            "options": f"-c lock_timeout={PATIENCE_S}s",
        },
    )
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return {"read": snapshot, "write": engine, "durable": engine}


def sqlite_engine(
    url: URL, *, begin: str, synchronous: str, pool_size: int, busy_timeout_s: float = PATIENCE_S
) -> Engine:
    """An engine whose transactions all begin and sync in one way.

    A writing engine has one connection: threads queue for it, which is fair and fast, where several connections
    would poll for SQLite's lock. Without a `busy_timeout_s`, processes too wait in a finer way than SQLite's own.
    """
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=PATIENCE_S,
        hide_parameters=True,
        connect_args={"timeout": busy_timeout_s},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA synchronous = {synchronous}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        _wait_for_lock(connection, begin)

    return engine


def _wait_for_lock(connection: Connection, begin: str) -> None:
    """Begin as soon as the lock is free; raises what SQLite raises once `PATIENCE_S` is over.

    SQLite's own wait backs off to 100 ms, far longer than a transaction takes here, and so leaves the lock idle
    most of the time that several processes want it.
    """
    driver: Any = connection.connection.driver_connection
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            driver.execute(begin)
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                break
            time.sleep(LOCK_POLL_S)
    connection.exec_driver_sql(begin)


@contextmanager
def answering() -> Iterator[None]:
    """Turn errors that say the database does not answer into `RecordsUnavailable`; others are defects and pass."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise RecordsUnavailable(f"the database does not answer: {_first_line(error)}") from error


def _first_line(error: SQLAlchemyError) -> str:
    """What the driver said, without the statement."""
    said = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    return said.splitlines()[0] if said else type(error).__name__
