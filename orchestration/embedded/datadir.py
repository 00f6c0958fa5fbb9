"""One data directory, one stack: a lock held as long as any process of the stack lives, and a note of who it is."""

import fcntl
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipeline.errors import PipelineError

LOCK_WAIT_S = 60.0
"""Longer than a stack may take to end, the grace for what is running included."""
POLL_S = 0.05


class DataDirInUse(PipelineError):
    """Another stack runs on this data directory."""


@dataclass(frozen=True, slots=True)
class StackNote:
    """What a running stack says about itself."""

    pid: int
    """Of the supervisor."""
    api_url: str | None
    pids: Mapping[str, int] = field(default_factory=dict)
    """Of its children, by name: `api`, `keeper`, `worker-fetch`. A restarted child is found under its new pid."""


class DataDir:
    """The folder that holds everything an embedded stack knows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._note = path / "stack.json"
        self._lock_file = path / "stack.lock"
        self._lock_fd: int | None = None

    def lock(self) -> None:
        """Take the lock, waiting for a stack that is just ending. Raises `DataDirInUse`.

        The lock is shared with all forked children, so it is free only when the last of them is gone.
        """
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + LOCK_WAIT_S
        while not _try_lock(fd, fcntl.LOCK_EX):
            if self.running() or time.monotonic() > deadline:
                os.close(fd)
                raise DataDirInUse(f"a stack is already running on {self.path}")
            time.sleep(POLL_S)
        self._lock_fd = fd

    def unlock(self) -> None:
        """Give the lock back."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def announce(self, note: StackNote) -> None:
        """Say that the stack is ready, or what has changed in it since."""
        draft = self._note.with_suffix(".tmp")
        draft.write_text(json.dumps(asdict(note)))
        draft.replace(self._note)

    def withdraw(self) -> None:
        """Say that the stack is ending."""
        self._note.unlink(missing_ok=True)

    def running(self) -> StackNote | None:
        """The stack that is ready on this folder, if there is one."""
        try:
            note = StackNote(**json.loads(self._note.read_text()))
            fd = os.open(self._lock_file, os.O_RDONLY | os.O_CLOEXEC)
        except (OSError, ValueError, TypeError):
            return None
        # After a crash the note stays behind, and its pid may be somebody else's by now; the lock does not lie.
        abandoned = _try_lock(fd, fcntl.LOCK_SH)
        os.close(fd)
        return note if _is_alive(note.pid) and not abandoned else None


def _try_lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
