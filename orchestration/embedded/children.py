"""Forking children of a preloaded parent: they share its imports, so they start in milliseconds."""

import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestration.embedded.lifeline import Lifeline

log = logging.getLogger(__name__)

CRASHED = 70
"""Exit status of a child that ended with an exception; EX_SOFTWARE of sysexits.h."""


@dataclass(frozen=True, slots=True)
class Program:
    """What a child runs."""

    name: str
    run: Callable[[], None]
    watches_lifeline_itself: bool = False


def fork(program: Program, lifeline: Lifeline, log_file: Path | None) -> int:
    """Start a program in a child and return its pid.

    The caller must have no threads. The child has its own process group, so a Ctrl-C in the terminal reaches the
    supervisor alone, which then stops its children in order.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    os._exit(_child(program, lifeline, log_file))


def _child(program: Program, lifeline: Lifeline, log_file: Path | None) -> int:
    try:
        os.setpgid(0, 0)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        lifeline.enter_child()
        if not program.watches_lifeline_itself:
            lifeline.die_with_parent()
        if log_file is not None:
            _redirect_output(log_file)
        program.run()
    except SystemExit as stopped:
        return stopped.code if isinstance(stopped.code, int) else int(stopped.code is not None)
    except BaseException:
        log.exception("%s crashed", program.name)
        return CRASHED
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _redirect_output(log_file: Path) -> None:
    log_file.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)


def has_exited(pid: int) -> int | None:
    """The exit code of a child that ended (negative for a signal), or None while it runs."""
    done, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if done else None
