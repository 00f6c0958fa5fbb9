"""What every benchmark here is made of: a server of its own, and worker processes.

The server is the one that Penstock ships, with the options that Penstock gives it. "lists" is kombu's own Redis
transport, "streams" is that of `orchestration.transport`.
"""

import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil
import redis
from celery import Celery

from orchestration.embedded.server import find_server
from tests.support.waiting import until

TRANSPORTS = ("lists", "streams")
QUEUE = "bench"
READY_WITHIN_S = 60
ENDS_WITHIN_S = 30
MARK = struct.Struct("<qdd")

T = TypeVar("T")


class Server:
    """A Valkey server on a Unix socket, with its data in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "s"
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "dir": str(folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        self.child = subprocess.Popen([str(find_server()), *words], stdout=subprocess.DEVNULL)
        self.process = psutil.Process(self.child.pid)
        self.client = redis.Redis(unix_socket_path=str(self.socket), decode_responses=True)
        until(self._answers, within_s=10, what="the server")

    @property
    def url(self) -> str:
        return f"redis+socket://{self.socket}?virtual_host=0"

    def stop(self) -> None:
        self.client.close()
        self.child.terminate()
        self.child.wait(ENDS_WITHIN_S)

    def _answers(self) -> bool:
        with suppress(redis.ConnectionError):
            return bool(self.client.ping())
        return False


@contextmanager
def server() -> Iterator[Server]:
    """A server for as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="tb") as folder:
        running = Server(Path(folder))
        try:
            yield running
        finally:
            running.stop()


def create_app(url: str, transport: str, **transport_options: Any) -> Celery:
    """An application as a careful user of either transport would set it up; no result backend, no tasks."""
    app = Celery("bench", set_as_current=False)
    app.conf.update(
        _broker(url, transport, transport_options),
        task_default_queue=QUEUE,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        broker_connection_retry_on_startup=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
    )
    return app


def _broker(url: str, transport: str, options: dict[str, Any]) -> dict[str, Any]:
    if transport == "lists":
        return {"broker_url": url, "broker_transport_options": options}
    from orchestration.transport import broker_settings

    return broker_settings(url, **options)


class Marks:
    """What tasks did and when, written by all workers to one file: a number, and two readings of clocks.

    A file, so that neither the time nor the commands of the server go into it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def add(self, number: int) -> None:
        """Write down that `number` happened now."""
        os.write(self._file, MARK.pack(number, time.monotonic(), time.time()))

    def count(self) -> int:
        return self.path.stat().st_size // MARK.size

    def read(self) -> list[tuple[int, float, float]]:
        """(number, monotonic seconds, seconds of the epoch), in the order they were written."""
        return list(MARK.iter_unpack(self.path.read_bytes()))


class Gate:
    """Holds all tasks that come to it until it is opened, at no cost: they wait for the lock of a file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def open(self) -> None:
        self._file.close()


class Worker:
    """A Celery worker in a process of its own; `psutil` sees it and the children of its pool."""

    def __init__(
        self,
        broker: Server,
        transport: str,
        *,
        pool: str = "threads",
        concurrency: int = 2,
        prefetch: int = 1,
        queues: Sequence[str] = (QUEUE,),
        **transport_options: Any,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tw"))
        self.slots = concurrency
        self.reserved = concurrency * prefetch
        self.done = Marks(self.folder / "done")
        self._log = self.folder / "log"
        command = [sys.executable, "-m", "tests.benchmarks.transport.worker", "worker", "-P", pool]
        command += ["-c", str(concurrency), "--prefetch-multiplier", str(prefetch), "-Q", ",".join(queues)]
        command += ["-l", "warning", "--without-gossip", "--without-mingle", "--without-heartbeat"]
        told = [broker.url, transport, transport_options, str(self.folder)]
        with self._log.open("wb") as log:
            self.child = subprocess.Popen(
                [*command, "-n", f"{self.folder.name}@bench"],
                env=os.environ | {"BENCH_WORKER": json.dumps(told)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        self.process = psutil.Process(self.child.pid)

    def __enter__(self) -> Self:
        try:
            self.until((self.folder / "ready").exists, within_s=READY_WITHIN_S, what="the worker to be ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self.child.terminate()
        try:
            self.child.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()
        shutil.rmtree(self.folder)

    def until(self, probe: Callable[[], T | None], *, within_s: float, what: str) -> T:
        """`until`, which also ends when the worker does, and then shows what it said."""
        try:
            return until(lambda: self._alive() and probe(), within_s=within_s, what=what)
        except AssertionError as error:
            raise RuntimeError(f"{error}\n{self._log.read_text()[-4000:]}") from None

    def until_done(self, count: int, *, within_s: float = 600) -> None:
        """Return once `count` marks were written."""
        self.until(lambda: self.done.count() >= count, within_s=within_s, what=f"{count} tasks to be done")

    def warm(self, app: Celery, tasks: int = 50) -> None:
        """Run a few tasks and forget their marks."""
        for number in range(tasks):
            app.send_task("mark", (number,), queue=QUEUE)
        self.until_done(tasks, within_s=60)
        os.truncate(self.done.path, 0)

    def close_gate(self, app: Celery) -> Gate:
        """Occupy all that the worker may hold with tasks that wait for the gate."""
        gate = Gate(self.folder / "gate")
        for _ in range(self.reserved):
            app.send_task("gate", (), queue=QUEUE)
        self.until(lambda: len(list(self.folder.glob("at-gate-*"))) == self.slots, within_s=30, what="the gate")
        return gate

    def cpu_s(self) -> float:
        return sum(sum(each.cpu_times()[:2]) for each in self._processes())

    def rss_bytes(self) -> int:
        return sum(each.memory_info().rss for each in self._processes())

    def _processes(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def _alive(self) -> bool:
        assert self.child.poll() is None, f"the worker ended with {self.child.returncode}"
        return True
