"""Connections to the database, and the one edge where its errors become ours.

SQLite    every write begins IMMEDIATE, so it never fails half-way for want of the lock. What must survive a
          power cut waits for the disk after its commit (`wal_sync`); the rest does not, and a power cut costs
          at most the latest of it, which is then done again.
PostgreSQL  reads are one snapshot (REPEATABLE READ); writes are READ COMMITTED and lock the job's row first.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Any, Literal

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from orchestration.storage.turns import Turns
from orchestration.storage.wal_sync import WalSync
from pipeline.errors import RecordsUnavailable

Use = Literal["read", "write"]
USES: tuple[Use, ...] = ("read", "write")

PATIENCE_S = 10.0
"""How long to wait for the database before giving up, in seconds: for a free connection, and until it has the lock."""
ANSWERING_PATIENCE_S = 0.8
"""The same where somebody waits for the answer, which is to come within a second."""
LOCK_POLL_S = 0.0005
OVERFLOW = 10
"""Connections to PostgreSQL that are opened when those of the pool are in use, and closed again."""
LEAST_CONNECT_TIMEOUT_S = 2
"""psycopg takes less for this. A server that is gone is given up before, at `tcp_user_timeout`."""
_NO_URL = "the database URL has to be sqlite:///FILE or postgresql://USER@HOST/NAME"
_DEADLINE = "deadline_s"
"""Of a transaction, by the monotonic clock: until when it has to have begun."""


class Database:
    """Engines of one database, made at their first use: after a fork, never before."""

    def __init__(self, url: str, *, pool_size: int = 5, patience_s: float = PATIENCE_S) -> None:
        self._url = parse_url(url)
        self._pool_size = pool_size
        self._patience_s = patience_s
        self._engines: dict[Use, Engine] = {}
        self._turns = make_turns(self._url, pool_size)
        self._log = WalSync(self._url.database or "") if is_sqlite(self._url) else None
        self._lock = Lock()

    @property
    def has_cheap_writes(self) -> bool:
        """Whether `durable` makes a difference."""
        return self._log is not None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database throughout."""
        with self._begin("read") as connection:
            yield connection

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Connection]:
        """A transaction, committed at the end of the block; `durable` ones survive a power cut."""
        with self._begin("write") as connection:
            yield connection
        if durable and self._log is not None:
            _flush(self._log)

    def close(self) -> None:
        """Close all connections; the next use opens new ones."""
        with self._lock:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()

    @contextmanager
    def _begin(self, use: Use) -> Iterator[Connection]:
        deadline_s = time.monotonic() + self._patience_s
        with self._turns[use].turn(deadline_s), answering(), self._engine(use).connect() as connection:
            connection.execution_options(**{_DEADLINE: deadline_s})
            with connection.begin():
                yield connection

    def _engine(self, use: Use) -> Engine:
        with self._lock:
            if not self._engines:
                self._engines = make_engines(self._url, self._pool_size, self._patience_s)
            return self._engines[use]


def parse_url(url: str) -> URL:
    """Read a SQLAlchemy URL. Raises `ValueError` unless it names a SQLite file or a PostgreSQL server."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError(_NO_URL) from None
    match parsed.get_backend_name():
        case "sqlite" if parsed.database not in (None, "", ":memory:"):
            return parsed
        case "postgresql":
            return parsed.set(drivername="postgresql+psycopg")
        case _:
            raise ValueError(_NO_URL)


def is_sqlite(url: URL) -> bool:
    """Whether a parsed URL names a SQLite file."""
    return url.get_backend_name() == "sqlite"


def make_turns(url: URL, pool_size: int) -> dict[Use, Turns]:
    """Who may use each engine: as many as have connections, and on SQLite one writer."""
    if not is_sqlite(url):
        return dict.fromkeys(USES, Turns(pool_size + OVERFLOW))
    return {"read": Turns(pool_size), "write": Turns(1)}


def make_engines(url: URL, pool_size: int, patience_s: float) -> dict[Use, Engine]:
    """An engine for each use of a database; on PostgreSQL they share one pool."""
    if is_sqlite(url):
        normal = partial(sqlite_engine, url, synchronous="NORMAL")
        return {
            "read": normal(begin="BEGIN", pool_size=pool_size, busy_timeout_s=patience_s),
            "write": normal(begin="BEGIN IMMEDIATE", pool_size=1, busy_timeout_s=0),
        }
    patience_ms = round(patience_s * 1000)
    engine = create_engine(
        url,
        pool_pre_ping=True,
        pool_size=pool_size,
        max_overflow=OVERFLOW,
        hide_parameters=True,
        connect_args={
            "connect_timeout": max(LEAST_CONNECT_TIMEOUT_S, round(patience_s)),
            "tcp_user_timeout": patience_ms,
            "application_name": "penstock",
            "options": f"-c lock_timeout={patience_ms}",
        },
    )
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return {"read": snapshot, "write": engine}


def sqlite_engine(
    url: URL, *, begin: str, synchronous: str, pool_size: int, busy_timeout_s: float = PATIENCE_S
) -> Engine:
    """An engine whose transactions all begin and sync in one way.

    A writing engine has one connection, for which threads wait in line, where several connections would poll for
    SQLite's lock. Without a `busy_timeout_s`, processes too wait in a finer way than SQLite's own.
    """
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
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
    """Begin as soon as the lock is free; raises what SQLite raises once the deadline is over.

    SQLite's own wait backs off to 100 ms, far longer than a transaction takes here, and so leaves the lock idle
    most of the time that several processes want it.
    """
    driver: Any = connection.connection.driver_connection
    deadline_s = connection.get_execution_options().get(_DEADLINE, 0.0)
    while time.monotonic() < deadline_s:
        try:
            driver.execute(begin)
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                break
            time.sleep(LOCK_POLL_S)
    connection.exec_driver_sql(begin)


def _flush(log: WalSync) -> None:
    try:
        log.flush()
    except OSError as error:
        raise RecordsUnavailable(f"the disk of the database does not answer: {error.strerror}") from error


@contextmanager
def answering() -> Iterator[None]:
    """Turn errors that say the database does not answer into `RecordsUnavailable`; others are defects and pass."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise RecordsUnavailable(f"the database does not answer: {_first_line(error)}") from error


def _first_line(error: SQLAlchemyError) -> str:
    """What the driver said, without the statement."""
    said = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    return said.splitlines()[0] if said else type(error).__name__
