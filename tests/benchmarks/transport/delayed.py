"""Delayed messages: none starts early, how late they start, and where those wait that are due in a day.

    python -m tests.benchmarks.transport.delayed
    python -m tests.benchmarks.transport.delayed --transports lists streams

Of the lists transport the delayed messages are in the worker; the same questions show what that means.
"""

import argparse
import random
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from celery import Celery

from tests.benchmarks.transport import report, rig

DAY_S = 86_400
FAR_NUMBER = 1_000_000


def main() -> None:
    arguments = _arguments()
    with rig.server() as broker:
        figures = [_measure(broker, transport, arguments) for transport in arguments.transports]
    report.print_table([{name: value for name, value in each.items() if name != "late_ms"} for each in figures])
    report.write_json(arguments.json, figures)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--near", type=int, default=5_000, help="messages due within --from-s to --to-s of publication")
    parser.add_argument("--from-s", type=float, default=-10.0)
    parser.add_argument("--to-s", type=float, default=30.0)
    parser.add_argument("--far", type=int, default=1_000, help="messages due in a day")
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--pool", choices=["threads", "prefork"], default="threads")
    parser.add_argument("--transports", nargs="+", choices=rig.TRANSPORTS, default=["streams"])
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _measure(broker: rig.Server, transport: str, arguments: argparse.Namespace) -> dict[str, Any]:
    broker.client.flushall()
    with (
        closing(rig.create_app(broker.url, transport)) as app,
        rig.Worker(broker, transport, pool=arguments.pool, concurrency=arguments.concurrency) as worker,
    ):
        worker.warm(app, 200)
        rss_bytes = worker.rss_bytes()
        for number in range(arguments.far):
            _publish(app, FAR_NUMBER + number, time.time() + DAY_S)
        far_rss_bytes = worker.rss_bytes()
        earliest_start = _publish_near(app, arguments)
        worker.until_done(arguments.near, within_s=arguments.to_s + 120)
        late_ms = [1000 * (at - earliest_start[number]) for number, _, at in worker.done.read()]
        held, in_redis = _held_by_worker(app), broker.client.zcard(f"{{{rig.QUEUE}}}:delayed")
    return {
        "transport": transport,
        "started": len(late_ms),
        "earliest_ms": min(late_ms),
        "late_p50_ms": report.percentile(late_ms, 0.50),
        "late_p99_ms": report.percentile(late_ms, 0.99),
        "late_max_ms": max(late_ms),
        "far_in_redis": in_redis,
        "far_in_worker": held,
        "far_rss_kib": (far_rss_bytes - rss_bytes) // 1024,
        "late_ms": late_ms,
    }


def _publish_near(app: Celery, arguments: argparse.Namespace) -> dict[int, float]:
    """Publish; returns the moment before which each must not start, and after which it is late."""
    chance, earliest_start = random.Random(1), {}
    for number in range(arguments.near):
        now = time.time()
        due = now + chance.uniform(arguments.from_s, arguments.to_s)
        _publish(app, number, due)
        earliest_start[number] = max(due, now)
    return earliest_start


def _publish(app: Celery, number: int, due: float) -> None:
    app.send_task("mark", (number,), queue=rig.QUEUE, eta=datetime.fromtimestamp(due, UTC))


def _held_by_worker(app: Celery) -> int:
    """How many messages the worker has taken and not started."""
    inspect = app.control.inspect(timeout=5)
    return sum(len(tasks) for reply in (inspect.scheduled(), inspect.reserved()) for tasks in (reply or {}).values())


if __name__ == "__main__":
    main()
