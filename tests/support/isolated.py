"""Functions for child processes to run: each goes wrong in its own way."""

import os
import re
import resource
import signal
import sys
from pathlib import Path
from typing import NoReturn


def add(left: int, right: int = 1) -> int:
    return left + right


def pid() -> int:
    return os.getpid()


def modules() -> set[str]:
    return set(sys.modules)


def spin(pid_file: str | None = None) -> None:
    """Loops for ever in C code that holds the interpreter's lock."""
    if pid_file:
        Path(pid_file).write_text(str(os.getpid()))
    re.match(r"(a+)+$", "a" * 60 + "b")


def hog() -> int:
    hoard = []
    while True:
        hoard.append(bytearray(64 * 1024 * 1024))


def give(size: int) -> bytes:
    return bytes(size)


def measure(data: bytes) -> int:
    return len(data)


def crash() -> NoReturn:
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError


def leave(code: int) -> NoReturn:
    os._exit(code)


def fail(error: BaseException) -> NoReturn:
    raise error


class Awkward(Exception):
    """Cannot be unpickled: its constructor wants more than its message."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


def fail_awkwardly() -> NoReturn:
    raise Awkward("this", "that")


def processor_time() -> tuple[float, int]:
    """What this process has used, and what it may use, in seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, resource.getrlimit(resource.RLIMIT_CPU)[0]
