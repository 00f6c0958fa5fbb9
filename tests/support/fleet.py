"""Celery workers in processes of their own on a broker that can be hurt, and what their tasks did.

with Fleet(broker, folder, pool="threads") as fleet:
    worker = fleet.start_worker()
    fleet.publish("note", "a", sleep_s=3)
    until(lambda: fleet.effects.starts("a"), within_s=5, what="the start")
    worker.kill()
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Self, TypeVar

from celery import Celery, chain

from tests.support.brokers import Broker
from tests.support.effects import Effect, EffectsLog
from tests.support.fleet_app import create_app
from tests.support.waiting import NeverHappened, until

ROOT = Path(__file__).parents[2]
READY_WITHIN_S = 30
STOP_WITHIN_S = 60
LOG_CHARS = 3_000
LOGS = 4
"""How many workers have a say when a test fails: those that came last."""
QUEUE = "work"
HOPS = 4
"""Of a chain."""

T = TypeVar("T")


class Worker:
    """One worker: a main process, in a process group of its own with the children it may have."""

    def __init__(self, command: list[str], environ: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=out, process_group=0
            )

    @property
    def pid(self) -> int:
        """Of the main process."""
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether the main process lives."""
        return self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL the main process, and only that."""
        self.process.kill()
        self.process.wait()

    def kill_group(self) -> None:
        """SIGKILL the main process and its children."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """SIGTERM, and wait for the end, which has to be a good one."""
        self.process.terminate()
        status = self.process.wait(STOP_WITHIN_S)
        assert status == 0, f"the worker ended with {status}\n{self.log_tail()}"

    def pause(self) -> None:
        """SIGSTOP the main process: its event loop, and with prefork nothing else."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.process.send_signal(signal.SIGCONT)

    def log_tail(self) -> str:
        """The end of what the worker said."""
        return f"--- {self.log.name}\n{self.log.read_text(errors='replace')[-LOG_CHARS:]}"


class Fleet:
    """The workers of one broker. `options` are those of the Streams transport; "lists" takes its lease from them."""

    def __init__(
        self, broker: Broker, folder: Path, *, pool: str, transport: str = "streams", **options: object
    ) -> None:
        self.broker = broker
        self.folder = folder
        self.pool = pool
        self.transport = transport
        self.options = options
        self.effects = EffectsLog(folder / "effects")
        self.app: Celery = create_app(broker.url, transport, options)
        self.workers: list[Worker] = []
        self._arguments: list[str] = []
        self._numbers = count()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        for worker in self.workers:
            worker.kill_group()
        self.app.close()

    # workers

    def start(self, workers: int, *, concurrency: int = 2, prefetch: int = 1) -> list[Worker]:
        """Start some workers, and return them once they take tasks. Solo workers do one thing at a time."""
        self._arguments = [f"--concurrency={concurrency}", f"--prefetch-multiplier={prefetch}"]
        started = [self.spawn() for _ in range(workers)]
        for worker in started:
            self.wait_ready(worker)
        return started

    def spawn(self) -> Worker:
        """Start one more worker of the same kind, and do not wait for it."""
        number = next(self._numbers)
        command = [sys.executable, "-m", "tests.support.fleet_app", "--quiet", "worker", f"--pool={self.pool}"]
        command += [f"--hostname=w{number}@fleet", f"--queues={QUEUE}", "--loglevel=INFO", *self._arguments]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        self.workers.append(Worker(command, self._environ(), self.folder / f"worker-{number}.log"))
        return self.workers[-1]

    def wait_ready(self, worker: Worker) -> None:
        """Return once the worker takes tasks."""
        self.until(
            lambda: self.effects.is_ready(worker.pid),
            within_s=READY_WITHIN_S,
            what=f"{worker.log.name} to be ready",
        )

    def revive(self) -> None:
        """Start a new worker for each that has died."""
        for worker in [worker for worker in self.workers if not worker.is_running]:
            self.workers.remove(worker)
            self.spawn()

    def worker_of(self, effect: Effect) -> Worker:
        """The worker in which something happened."""
        return next(worker for worker in self.workers if worker.pid == effect.main_pid)

    @staticmethod
    def now() -> float:
        """On the clock of the effects."""
        return time.monotonic()

    # tasks

    def publish(self, task: str, token: str, *, queue: str = QUEUE, **kwargs: object) -> str:
        """Publish one message; returns its task id. Waits for a broker that is away."""
        return str(self.app.send_task(task, (token,), kwargs, queue=queue).id)

    def publish_chain(self, token: str, *, sleep_s: float = 0.0) -> list[str]:
        """Publish a chain; returns the tokens of its hops."""
        tokens = [f"{token}.{number}" for number in range(HOPS)]
        hops = [self.app.signature("note", (hop,), {"sleep_s": sleep_s}, immutable=True, queue=QUEUE) for hop in tokens]
        chain(*hops, app=self.app).apply_async()
        return tokens

    def probe(self, *, within_s: float) -> float:
        """Fail unless a new message is done in time; returns how long it took."""
        began_at = time.monotonic()
        token = f"probe-{began_at}"
        self.publish("note", token)
        left_s = max(0.0, began_at + within_s - time.monotonic())
        self.until(lambda: self.effects.ends(token), within_s=left_s, what=f"a message to be done in {within_s:g} s")
        return time.monotonic() - began_at

    def waiting(self) -> int:
        """How many messages no worker has taken yet."""
        with self.app.connection_for_read() as connection:
            return int(connection.default_channel.queue_declare(QUEUE, passive=True).message_count)

    # waiting

    def until(self, probe: Callable[[], T | None], *, within_s: float, what: str) -> T:
        """`until`, and what the workers said if it fails."""
        try:
            return until(probe, within_s=within_s, what=what)
        except NeverHappened as error:
            tails = "\n".join(worker.log_tail() for worker in self.workers[-LOGS:])
            raise NeverHappened(f"{error}\n{tails}") from None

    def wait_done(self, tokens: Iterable[str], *, within_s: float) -> None:
        """Return once all of these have ended; none of them may get lost."""
        wanted = set(tokens)
        try:
            self.until(lambda: not self.effects.missing(wanted), within_s=within_s, what=f"{len(wanted)} ends")
        except NeverHappened as error:
            missing = sorted(self.effects.missing(wanted))
            raise NeverHappened(f"{len(missing)} lost: {missing[:20]}\n{self.broker.streams()}\n{error}") from None

    def wait_drained(self, *, within_s: float = 10, besides: str = "") -> None:
        """Return once no stream, or none but one, holds an entry, delivered or not."""

        def leftovers() -> dict[str, tuple[int, int]]:
            return {key: held for key, held in self.broker.streams().items() if any(held) and key != besides}

        try:
            self.until(lambda: not leftovers(), within_s=within_s, what="empty streams")
        except NeverHappened as error:
            raise NeverHappened(f"{leftovers()}\n{error}") from None

    def _environ(self) -> dict[str, str]:
        return os.environ | {
            "FLEET_BROKER_URL": self.broker.url,
            "FLEET_TRANSPORT": self.transport,
            "FLEET_TRANSPORT_OPTIONS": json.dumps(self.options),
            "FLEET_EFFECTS": str(self.effects.path),
        }
