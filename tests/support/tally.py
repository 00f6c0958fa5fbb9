"""Counts what the records ask of their database, by call: in this process and in all forked from it.

    with Tally(folder / "tally") as tally:
        tally.of(SqlRecords(url)).accept(job)
        assert tally.counted()[Spent(os.getpid(), "accept", "", COMMIT)] == 1

A statement is what SQLAlchemy hands to the driver, one for many rows too. BEGIN and COMMIT are none, nor is the ping
of a pooled connection.
"""

import os
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

from sqlalchemy import Connection, Engine, event

from orchestration.storage.wal_sync import WalSync
from pipeline.ids import Hold, StageKey

STATEMENT = "statements"
READ = "reads"
"""A transaction that changed nothing."""
COMMIT = "commits"
"""A transaction that changed something."""
SYNCED = "synced"
"""A commit that waits for the disk, as long as the server does not say otherwise."""
OTHER = "other"


class Spent(NamedTuple):
    """What is counted."""

    pid: int
    call: str
    """A method of the records, or `other`."""
    stage: str
    """That the call was about; empty where it was about none."""
    what: str


class Tally:
    """One file that every process appends to, a line for each statement and each end of a transaction."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._here = _Here()
        self._listeners = {"before_cursor_execute": self._statement, "begin": self._begin, "commit": self._commit}

    def __enter__(self) -> Self:
        for name, listener in self._listeners.items():
            event.listen(Engine, name, listener)
        self._flush = WalSync.flush
        WalSync.flush = self._flushing(WalSync.flush)  # type: ignore[method-assign]
        return self

    def __exit__(self, *_exc: object) -> None:
        for name, listener in self._listeners.items():
            event.remove(Engine, name, listener)
        WalSync.flush = self._flush  # type: ignore[method-assign]
        os.close(self._file)

    def of(self, records: Any) -> Any:
        """The same records, whose calls are told apart."""
        return _Told(records, self._here)

    def counted(self) -> Counter[Spent]:
        """All so far."""
        lines = (line.split("\t") for line in self._path.read_text().splitlines())
        return Counter(Spent(int(pid), *names) for pid, *names in lines)

    def _begin(self, _connection: Connection) -> None:
        self._here.has_written = False

    def _statement(self, _connection: Any, _cursor: Any, _text: str, _values: Any, context: Any, _many: bool) -> None:
        self._here.has_written |= context.isinsert or context.isupdate or context.isdelete
        self._note(STATEMENT)

    def _commit(self, connection: Connection) -> None:
        self._note(COMMIT if self._here.has_written else READ)
        if self._here.has_written and connection.dialect.name != "sqlite":
            self._note(SYNCED)

    def _flushing(self, flush: Callable[[WalSync], None]) -> Callable[[WalSync], None]:
        def noted(log: WalSync) -> None:
            self._note(SYNCED)
            flush(log)

        return noted

    def _note(self, what: str) -> None:
        spent = Spent(os.getpid(), self._here.call, self._here.stage, what)
        os.write(self._file, ("\t".join(map(str, spent)) + "\n").encode())


class _Here(threading.local):
    """What this thread is about."""

    call = OTHER
    stage = ""
    has_written = False


class _Told:
    """Records that say which call is on."""

    def __init__(self, inside: Any, here: _Here) -> None:
        self._inside = inside
        self._here = here

    def __getattr__(self, name: str) -> Any:
        inside = getattr(self._inside, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._here.call, self._here.stage = name, _stage_of(*args)
            try:
                return inside(*args, **kwargs)
            finally:
                self._here.call, self._here.stage = OTHER, ""

        return call


def _stage_of(first: object = None, *_rest: object) -> str:
    match first:
        case StageKey(stage=stage) | Hold(key=StageKey(stage=stage)):
            return stage
        case _:
            return ""
