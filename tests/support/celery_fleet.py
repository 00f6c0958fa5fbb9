"""Celery workers as processes on a server of their own, on the Streams transport or on the stock one.

with own_server(Variant("streams"), folder) as fleet:
    fleet.ensure_workers()
    assert fleet.run("add", 1, 2) == 3
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import redis
from celery import Celery
from celery.app.control import Inspect
from celery.result import AsyncResult
from kombu.exceptions import ChannelError

from orchestration.transport import Depth, Inspector
from tests.support.brokers import KINDS, Broker
from tests.support.parity_app import make_app, notes_key
from tests.support.ports import free_port
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
WITHIN_S = 20
REPLY_WITHIN_S = 5
WIDE = "wide@parity"
"""Consumes `parity`, four tasks at once (one, if its pool is solo)."""
NARROW = "narrow@parity"
"""Consumes `narrow`, one task at a time."""


@dataclass(frozen=True)
class Variant:
    """What a fleet runs on."""

    transport: str
    pool: str = "threads"
    server: str = "valkey"
    """A key of `brokers.KINDS`."""

    def __str__(self) -> str:
        return f"{self.transport}-{self.pool}-{self.server}"


@dataclass
class Worker:
    """A worker process and its log."""

    hostname: str
    process: subprocess.Popen[bytes]
    log: Path

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def await_end(self) -> None:
        """Let what it holds come to its end, but not for ever."""
        try:
            self.process.wait(WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass
class Fleet:
    """An application to publish with, and worker processes."""

    variant: Variant
    folder: Path
    broker_url: str
    backend_url: str
    """A Redis server's, which keeps results and what tasks note."""
    options: dict[str, Any] = field(default_factory=dict)
    """Transport options."""
    workers: dict[str, Worker] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self.app = make_app(self.variant.transport, self.broker_url, self.backend_url, **self.options)
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers.values():
            worker.process.terminate()
        for worker in self.workers.values():
            worker.await_end()
        close_app(self.app)

    @property
    def notes(self) -> redis.Redis:
        """A client of the server that keeps what tasks note."""
        client: redis.Redis = self.app.backend.client
        return client

    @property
    def environ(self) -> dict[str, str]:
        """Tells tests/support/parity_app.py in another process what to be."""
        return {
            "PARITY_TRANSPORT": self.variant.transport,
            "PARITY_BROKER_URL": self.broker_url,
            "PARITY_BACKEND_URL": self.backend_url,
            "PARITY_OPTIONS": json.dumps(self.options),
        }

    # workers

    def ensure_workers(self) -> None:
        """Both are up; one that a test before has ended is started again."""
        wanted = {WIDE: ("parity", 4), NARROW: ("narrow", 1)}
        missing = [name for name in wanted if name not in self.workers or not self.workers[name].is_alive()]
        for name in missing:
            queue, concurrency = wanted[name]
            self.launch(name, queue, concurrency, "--without-mingle", "--without-gossip")
        for name in missing:
            self.await_reply(name)

    def start_worker(self, hostname: str, queue: str, concurrency: int = 1, *options: str) -> Worker:
        worker = self.launch(hostname, queue, concurrency, *options)
        self.await_reply(hostname)
        return worker

    def launch(self, hostname: str, queue: str, concurrency: int, *options: str) -> Worker:
        command = [
            *(sys.executable, "-m", "celery", "--app", "tests.support.parity_app", "worker"),
            *("--hostname", hostname, "--queues", queue, "--concurrency", str(concurrency)),
            *("--pool", self.variant.pool, "--loglevel", "INFO", *options),
        ]
        path = self.folder / f"{hostname}.log"
        with path.open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **self.environ}, stdout=log, stderr=log)
        self.workers[hostname] = Worker(hostname, process, path)
        return self.workers[hostname]

    def await_reply(self, hostname: str) -> None:
        def replies() -> bool:
            assert self.workers[hostname].is_alive(), self.workers[hostname].log.read_text()
            return bool(self.inspect(hostname, timeout_s=0.5).ping())

        until(replies, within_s=WITHIN_S, what=f"{hostname} to answer")

    def inspect(self, *hostnames: str, timeout_s: float = REPLY_WITHIN_S) -> Inspect:
        """An inspection that ends as soon as all of these have replied."""
        inspection: Inspect = self.app.control.inspect(
            destination=list(hostnames), timeout=timeout_s, limit=len(hostnames)
        )
        return inspection

    # tasks

    def send(self, name: str, *args: Any, **options: Any) -> AsyncResult:
        """Publish a call of a task of tests/support/parity_app.py, to `parity` unless told otherwise."""
        return self.app.tasks[name].apply_async(args, **options)

    def run(self, name: str, *args: Any, **options: Any) -> Any:
        """Publish and wait for what it returns."""
        return self.send(name, *args, **options).get(timeout=WITHIN_S)

    def noted(self, label: str) -> list[str]:
        """What tasks have noted under this label so far."""
        return [what.decode() for what in self.notes.lrange(notes_key(label), 0, -1)]

    def wait_noted(self, label: str, count: int) -> list[str]:
        return until(
            lambda: noted if len(noted := self.noted(label)) >= count else None,
            within_s=WITHIN_S,
            what=f"{count} notes of {label}",
        )

    def release(self, label: str, count: int = 1) -> None:
        """Let tasks that hold end."""
        self.notes.rpush(f"release:{label}", *["go"] * count)

    # queues

    def size(self, queue: str) -> int:
        """Messages that no worker has taken, as `queue_declare(passive=True)` counts them."""
        with self.app.connection_for_read() as connection, connection.channel() as channel:
            try:
                return int(channel.queue_declare(queue, passive=True).message_count)
            except ChannelError:  # no queue, no messages
                return 0

    def unacked(self, queue: str) -> int:
        """Messages that a worker has taken and not acknowledged. On lists the broker has to be the backend too."""
        if self.variant.transport == "lists":  # which keeps those of all queues together
            return sum(f'"{queue}"'.encode() in entry for entry in self.notes.hvals("unacked"))
        return self.depth(queue).pending

    def delayed(self, queue: str) -> int:
        """Messages that wait in Redis for their time. Streams only."""
        return self.depth(queue).delayed

    def depth(self, queue: str) -> Depth:
        """What stands in a queue. Streams only."""
        with self.app.connection_for_read() as connection, Inspector(connection) as inspector:
            return inspector.depth(queue)

    @contextmanager
    def held_back(self, worker: str = NARROW) -> Iterator[str]:
        """A new queue that no worker consumes until the block ends; then this one does."""
        queue = f"held-{uuid4()}"
        yield queue
        self.consume(queue, worker)

    def consume(self, queue: str, worker: str = NARROW) -> None:
        self.tell("add_consumer", worker, queue=queue)

    def tell(self, command: str, *workers: str, **arguments: Any) -> None:
        """Give a remote control command; returns once the workers, both unless named, have obeyed."""
        names = workers or (WIDE, NARROW)
        replies = self.app.control.broadcast(
            command, arguments, destination=names, reply=True, timeout=REPLY_WITHIN_S, limit=len(names)
        )
        obeyed = {name for reply in replies for name, answer in reply.items() if "ok" in answer}
        assert obeyed == set(names), replies


@contextmanager
def own_server(variant: Variant, folder: Path) -> Iterator[Fleet]:
    """A fleet whose broker and result backend is a server of its own."""
    with (
        Broker(KINDS[variant.server].binary(), folder, port=free_port(), appendonly="no") as server,
        Fleet(variant, folder, server.url, server.url) as fleet,
    ):
        yield fleet


def close_app(app: Celery) -> None:
    """Close what an application has opened, so that no socket outlives it."""
    app.close()
    app.backend.result_consumer.stop()
    if app.conf.result_backend != "rpc://":
        app.backend.client.close()
        app.backend.client.connection_pool.disconnect()
