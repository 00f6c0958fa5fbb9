"""An eye on one browser: it is killed with all its processes when its time is over, or it takes too much memory."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from stages.contract import Cancelled, Permanent, Scope, StageError, Transient

LOOK_EVERY_S = 0.25
NOTICE_WITHIN_S = 5.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_GROUP, _RESIDENT = 2, 21
"""Fields of /proc/PID/stat, counted from the one after the name (proc_pid_stat(5))."""


class Watch:
    """Kills the process group of a browser; `why` says for what reason, once it did."""

    def __init__(self, scope: Scope, deadline: float, max_memory_bytes: int, is_too_much: Callable[[], bool]) -> None:
        self.why: StageError | None = None
        self._scope = scope
        self._deadline = deadline
        self._max_memory_bytes = max_memory_bytes
        self._is_too_much = is_too_much
        self._is_over = Event()

    @contextmanager
    def over(self, group: int, driver: int) -> Iterator[None]:
        """Watch while the block runs; afterwards nothing of the group is left.

        `driver` is the process that speaks to the browser. It may not notice that the browser is gone, so it is
        killed, too, if the block does not end soon after.
        """
        watching = Thread(target=self._watch, args=(group, driver), name="browser-watch", daemon=True)
        watching.start()
        try:
            yield
        finally:
            self._is_over.set()
            watching.join()
            kill_group(group)

    def _watch(self, group: int, driver: int) -> None:
        while not self._is_over.wait(LOOK_EVERY_S):
            self.why = self._reason(group)
            if self.why is not None:
                kill_group(group)
                if not self._is_over.wait(NOTICE_WITHIN_S):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(driver, signal.SIGKILL)
                return

    def _reason(self, group: int) -> StageError | None:
        if self._scope.token.is_cancelled:
            return Cancelled()
        if self._scope.remaining_s() <= 0 or self._scope.clock.monotonic() > self._deadline:
            return Transient("render_timeout")
        if self._is_too_much():
            return Permanent("too_large", "The page loads more than the limit.")
        if resident_bytes(group) > self._max_memory_bytes:
            return Permanent("render_memory")
        return None


def kill_group(group: int) -> None:
    """SIGKILL all processes of a group; there may be none."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def resident_bytes(group: int) -> int:
    """How much memory the processes of a group have, what they share counted for each. 0 where /proc is not there."""
    return sum(_resident_bytes(path, group) for path in Path("/proc").glob("[0-9]*/stat"))


def _resident_bytes(stat: Path, group: int) -> int:
    try:
        fields = stat.read_text().rpartition(")")[2].split()
    except OSError:
        return 0  # it has just ended
    return int(fields[_RESIDENT]) * _PAGE_BYTES if int(fields[_GROUP]) == group else 0
