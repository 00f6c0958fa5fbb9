"""A process that has imported everything and forks Penstock's processes in milliseconds, as `penstock up` does.

In a test, `Nursery().spawn(...)`; the process itself is `python -m tests.support.faulty_nursery`. It takes one line of
JSON for each process to start and answers `{"pid": 7}`, and later, when that ended, `{"ended": 7, "status": -9}`.
Processes die with it, and it dies with whoever started it.
"""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any, Self

ROOT = Path(__file__).parents[2]
POLL_S = 0.02
ENDS_WITHIN_S = 60


@dataclass
class Child:
    """One process, in a process group of its own."""

    pid: int
    role: str
    queue: str | None
    log: Path
    ended: threading.Event
    status: int | None = None
    """Negative for a signal."""
    wanted: bool = True
    """Whether another is to take its place when it ends."""

    @property
    def is_running(self) -> bool:
        return not self.ended.is_set()

    def signal(self, number: int) -> None:
        """Send a signal to the process alone."""
        if self.is_running:
            os.kill(self.pid, number)

    def wait(self, within_s: float = ENDS_WITHIN_S) -> int | None:
        """The status in which it ended."""
        assert self.ended.wait(within_s), f"{self.role} {self.queue or ''} did not end\n{self.log_tail()}"
        return self.status

    def log_tail(self, chars: int = 3000) -> str:
        """The end of what its kind said."""
        said = self.log.read_text(errors="replace")[-chars:] if self.log.exists() else ""
        return f"--- {self.log.name}\n{said}"


class Nursery:
    """Speaks to the forking process. `on_end` is called, in a thread of its own, with every child that ended."""

    def __init__(self, on_end: Callable[[Child], None] = lambda _child: None) -> None:
        self._on_end = on_end
        self._answers: Queue[int] = Queue()
        self._lock = threading.Lock()
        self.children: dict[int, Child] = {}

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.support.faulty_nursery"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, process_group=0
        )
        self._reader = threading.Thread(target=self._read, name="nursery", daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        with self._lock:
            self._process.stdin.close()
        self._process.wait(ENDS_WITHIN_S)
        self._reader.join(ENDS_WITHIN_S)
        self._process.stdout.close()

    def spawn(self, environ: dict[str, str], log: Path, role: str, queue: str | None = None, width: int = 1) -> Child:
        """Fork one process."""
        order = {"environ": environ, "log": str(log), "role": role, "queue": queue, "width": width}
        with self._lock:
            assert self._process.stdin
            self._process.stdin.write(json.dumps(order) + "\n")
            child = Child(self._answers.get(timeout=30), role, queue, log, threading.Event())
            self.children[child.pid] = child
        return child

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            message = json.loads(line)
            if "pid" in message:
                self._answers.put(message["pid"])
            else:
                # Not here: a process may end before its pid was taken.
                threading.Thread(target=self._ended, args=(message["ended"], message["status"]), daemon=True).start()

    def _ended(self, pid: int, status: int) -> None:
        with self._lock:
            child = self.children[pid]
        child.status = status
        child.ended.set()
        self._on_end(child)


# the process


def main() -> None:
    from orchestration.embedded.children import fork
    from orchestration.embedded.lifeline import Lifeline
    from orchestration.embedded.stack import preload

    preload()
    lifeline = Lifeline()
    children: set[int] = set()
    unread = b""
    while True:
        if select.select([0], [], [], POLL_S)[0]:
            heard = os.read(0, 1 << 20)
            if not heard:
                break
            *orders, unread = (unread + heard).split(b"\n")
            children |= {_start(json.loads(order), fork, lifeline) for order in orders}
        for pid in list(children):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                children.remove(pid)
                _tell(ended=pid, status=os.waitstatus_to_exitcode(status))
    _end(children)


def _start(order: dict[str, Any], fork: Any, lifeline: Any) -> int:
    from orchestration.embedded.children import Program

    pid = int(fork(Program(order["role"], partial(_be, order)), lifeline, Path(order["log"])))
    _tell(pid=pid)
    return pid


def _be(order: dict[str, Any]) -> None:
    from tests.support.faulty_worker import run

    for name in [name for name in os.environ if name.startswith("PENSTOCK_")]:
        del os.environ[name]
    os.environ.update(order["environ"])
    sys.stdin.close()
    run(order["role"], order["queue"], order["width"])


def _tell(**message: int) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _end(children: set[int]) -> None:
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + ENDS_WITHIN_S
    while children and time.monotonic() < deadline:
        children -= {pid for pid in children if os.waitpid(pid, os.WNOHANG)[0]}
        time.sleep(POLL_S)


if __name__ == "__main__":
    main()
