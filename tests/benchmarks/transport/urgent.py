"""Urgent messages over a backlog of bulk work: how soon one starts, and what bulk gets while urgent work never ends.

Bulk has priority 6 and urgent work 0; each task sleeps. One urgent message after the other is published behind the
backlog and timed until it starts: a slot must become free, which takes up to the time of a task. Then urgent work is
published faster than the workers can do it, and what they start is counted.

    python -m tests.benchmarks.transport.urgent
    python -m tests.benchmarks.transport.urgent --transports lists streams
"""

import argparse
import random
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from celery import Celery
from kombu import Producer

from tests.benchmarks.transport import report, rig

URGENT, BULK = 0, 6
BULK_NUMBER = -1
"""In the marks; the urgent ones count from 0."""
LISTS_OPTIONS = {"queue_order_strategy": "priority"}
"""The stock transport's own default forgets priorities between queues; this is what a user of lanes would set."""


def main() -> None:
    arguments = _arguments()
    with rig.server() as broker:
        figures = [_measure(broker, transport, arguments) for transport in arguments.transports]
    report.print_table([{name: value for name, value in each.items() if name != "delays_ms"} for each in figures])
    report.write_json(arguments.json, figures)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bulk", type=int, default=10_000)
    parser.add_argument("--probes", type=int, default=100)
    parser.add_argument("--stream-s", type=float, default=15.0, help="how long urgent work does not end")
    parser.add_argument("--task-ms", type=float, default=20.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument("--pool", choices=["threads", "prefork"], default="threads")
    parser.add_argument("--transports", nargs="+", choices=rig.TRANSPORTS, default=["streams"])
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _measure(broker: rig.Server, transport: str, arguments: argparse.Namespace) -> dict[str, Any]:
    broker.client.flushall()
    options = LISTS_OPTIONS if transport == "lists" else {}
    with ExitStack() as stack:
        app = stack.enter_context(closing(rig.create_app(broker.url, transport, **options)))
        workers = [
            stack.enter_context(
                rig.Worker(broker, transport, pool=arguments.pool, concurrency=arguments.concurrency, **options)
            )
            for _ in range(arguments.workers)
        ]
        bench = _Bench(app, workers, stack.enter_context(app.producer_or_acquire()), arguments.task_ms / 1000)
        bench.publish_bulk(arguments.bulk)
        delays_ms = [1000 * bench.probe(number) for number in range(arguments.probes)]
        bench.require_backlog(arguments.bulk)
        share = bench.bulk_share(arguments.stream_s, slots=arguments.workers * arguments.concurrency)
        bench.require_backlog(arguments.bulk)
    return {
        "transport": transport,
        "p50_ms": report.percentile(delays_ms, 0.50),
        "p99_ms": report.percentile(delays_ms, 0.99),
        "max_ms": max(delays_ms),
        "allowed_p99_ms": arguments.task_ms + 100,
        "bulk_share_of_starts": share,
        "delays_ms": delays_ms,
    }


class _Bench:
    """Publishes to workers and reads what they started."""

    def __init__(self, app: Celery, workers: list[rig.Worker], producer: Producer, task_s: float) -> None:
        self._app = app
        self._workers = workers
        self._producer = producer
        self._task_s = task_s
        self._chance = random.Random(1)

    def publish_bulk(self, count: int) -> None:
        for _ in range(count):
            self._publish(BULK_NUMBER, BULK)

    def probe(self, number: int) -> float:
        """Seconds from before the publication of an urgent message to its start."""
        time.sleep(self._chance.uniform(0, 3 * self._task_s))
        published = time.monotonic()
        self._publish(number, URGENT)
        return self._workers[0].until(lambda: self._start_of(number), within_s=120, what="the probe") - published

    def bulk_share(self, duration_s: float, *, slots: int) -> float:
        """The share of bulk in what is started while urgent work arrives at one and a half times what can be done."""
        began, every_s = time.monotonic(), self._task_s / slots / 1.5
        number = 1_000_000
        while (now := time.monotonic()) < began + duration_s:
            self._publish(number, URGENT)
            number += 1
            time.sleep(max(0, now + every_s - time.monotonic()))
        # The first second fills the lane.
        started = [kind for kind, at, _ in self._marks() if began + 1 < at < began + duration_s]
        return started.count(BULK_NUMBER) / len(started)

    def require_backlog(self, bulk: int) -> None:
        """Fail if the bulk ran out, which would make the figures worthless."""
        if sum(number == BULK_NUMBER for number, *_ in self._marks()) >= bulk:
            raise RuntimeError("all bulk was done: give it more")

    def _publish(self, number: int, priority: int) -> None:
        arguments = (number, self._task_s)
        self._app.send_task("mark", arguments, queue=rig.QUEUE, priority=priority, producer=self._producer)

    def _start_of(self, number: int) -> float | None:
        return next((at for each, at, _ in self._marks() if each == number), None)

    def _marks(self) -> list[tuple[int, float, float]]:
        return [mark for worker in self._workers for mark in worker.done.read()]


if __name__ == "__main__":
    main()
