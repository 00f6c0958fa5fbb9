"""Commits of SQLite reach the disk after they have let go of its lock, many of them at once.

With synchronous=FULL a commit is synced while it holds the one lock that all writers of all processes want, and whoever
waits for it waits for the disk. Here commits are made with synchronous=NORMAL, which leaves them in the operating
system's memory, in order, each frame with a checksum. What must survive a power cut then waits for a sync of the
write-ahead log that begins after its commit, which is all that FULL does: https://sqlite.org/wal.html, "Performance
Considerations". A checkpoint in between has synced the log already: NORMAL syncs it before it copies a page.
"""

import os
from pathlib import Path
from threading import Condition

_sync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


class WalSync:
    """The write-ahead log of one database, for all threads of a process."""

    def __init__(self, database: str | Path) -> None:
        self._log = f"{database}-wal"
        self._changed = Condition()
        self._begun = 0
        self._done = 0
        self._is_running = False

    def flush(self) -> None:
        """Return when all that was committed before this call is on the disk. Raises OSError.

        Threads that come while a sync runs share the next one.
        """
        with self._changed:
            wanted = self._begun + 1
            while self._done < wanted:
                if self._is_running:
                    self._changed.wait()
                else:
                    self._run()

    def _run(self) -> None:
        """Sync without the lock; called with it."""
        self._begun += 1
        number, self._is_running = self._begun, True
        self._changed.release()
        try:
            self._sync()
        finally:
            self._changed.acquire()
            self._is_running = False
            self._changed.notify_all()
        self._done = number

    def _sync(self) -> None:
        try:
            # By its name: the last connection that closes removes the log, and the next makes another.
            log = os.open(self._log, os.O_RDONLY)
        except FileNotFoundError:
            return  # All of it is in the database, synced.
        try:
            _sync(log)
        finally:
            os.close(log)
