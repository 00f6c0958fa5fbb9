"""A stack for the length of one command, beside the process that wants it."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from orchestration.embedded.children import Program, fork
from orchestration.embedded.datadir import DataDir
from orchestration.embedded.lifeline import Lifeline
from orchestration.embedded.stack import Stack, preload
from orchestration.settings import Settings
from orchestration.telemetry import configure_logging
from pipeline.errors import MachineryFailed, PipelineError

READY = b"ready"


@contextmanager
def background_stack(settings: Settings) -> Iterator[None]:
    """Run the embedded stack while the block runs, unless one runs on this data directory or a broker is configured.

    The supervisor is a process of its own, because it forks and the caller may have threads by then. Its output goes
    to `logs` in the data directory. Raises `MachineryFailed` when the stack does not start.
    """
    if not settings.is_embedded or DataDir(settings.data_dir).running():
        yield
        return
    preload()
    log_dir = settings.data_dir / "logs"
    lifeline, ready = Lifeline(), _ReadyPipe()
    supervise = partial(_supervise, settings, lifeline, ready.write, log_dir)
    program = Program("supervisor", supervise, watches_lifeline_itself=True)
    pid = fork(program, lifeline, log_dir / "supervisor.log")
    try:
        ready.wait(log_dir)
        yield
    finally:
        # Not reaped before, so the pid is still its own even if it has ended.
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        lifeline.cut()


def require_stack(settings: Settings) -> None:
    """Raise `MachineryFailed` when the embedded stack that was to do the work is gone."""
    if settings.is_embedded and DataDir(settings.data_dir).running() is None:
        raise MachineryFailed(f"the stack on {settings.data_dir} has ended; the jobs are kept for its next start")


class _ReadyPipe:
    """Tells the parent that the stack is up, or why it is not."""

    def __init__(self) -> None:
        self._read_fd, self._write_fd = os.pipe()

    def write(self, message: bytes) -> None:
        os.write(self._write_fd, message)

    def wait(self, log_dir: Path) -> None:
        os.close(self._write_fd)
        with os.fdopen(self._read_fd, "rb") as pipe:
            message = pipe.readline().strip()
        if message != READY:
            reason = message.decode(errors="replace") or f"see {log_dir}"
            raise MachineryFailed(f"the embedded stack did not start: {reason}")


def _supervise(settings: Settings, lifeline: Lifeline, report: Callable[[bytes], None], log_dir: Path) -> None:
    configure_logging(settings.log_level, "supervisor")
    stack = Stack(settings, log_dir=log_dir, parent=lifeline)
    try:
        stack.run(on_ready=lambda: report(READY + b"\n"))
    except PipelineError as error:
        report(f"{error}\n".encode())
        raise
