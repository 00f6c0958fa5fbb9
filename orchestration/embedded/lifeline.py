"""A pipe that says whether a process is still alive: it reads end-of-file when the other end is gone.

Works for every way of dying, SIGKILL included, and on every Unix, unlike PR_SET_PDEATHSIG.
"""

import os
import select
import signal
import threading


class Lifeline:
    """Made by the parent before it forks. Only the parent keeps the writing end."""

    def __init__(self) -> None:
        self._read_fd, self._write_fd = os.pipe()

    def enter_child(self) -> None:
        """In a child, just after the fork: let go of the writing end, or the pipe would never end."""
        os.close(self._write_fd)

    def cut(self) -> None:
        """In the parent: end all who watch."""
        os.close(self._write_fd)

    def is_cut(self, *, wait_s: float) -> bool:
        """Whether the parent is gone, waiting up to `wait_s` for it."""
        readable, _, _ = select.select([self._read_fd], [], [], wait_s)
        return bool(readable)

    def die_with_parent(self) -> None:
        """Kill this process at once when the parent is gone. What it was doing is recovered from the records."""
        threading.Thread(target=self._watch, name="lifeline", daemon=True).start()

    def _watch(self) -> None:
        os.read(self._read_fd, 1)
        os.kill(os.getpid(), signal.SIGKILL)
