"""What an idle worker costs that consumes five queues: commands a second, and CPU.

python -m tests.benchmarks.transport.idle
"""

import argparse
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.benchmarks.transport import report, rig
from tests.benchmarks.transport.meter import Meter, sent_commands

CALM_DOWN_S = 3.0


def main() -> None:
    arguments = _arguments()
    with rig.server() as broker:
        figures = [
            _measure(broker, transport, pool, arguments)
            for pool in arguments.pools
            for transport in arguments.transports
        ]
    report.print_table(
        [{name: value for name, value in each.items() if not isinstance(value, dict)} for each in figures]
    )
    report.write_json(arguments.json, figures)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0, help="for CPU, and again for commands")
    parser.add_argument("--queues", type=int, default=5)
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument("--pools", nargs="+", choices=["threads", "prefork"], default=["threads", "prefork"])
    parser.add_argument("--transports", nargs="+", choices=rig.TRANSPORTS, default=rig.TRANSPORTS)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _measure(broker: rig.Server, transport: str, pool: str, arguments: argparse.Namespace) -> dict[str, Any]:
    broker.client.flushall()
    queues = [rig.QUEUE, *(f"{rig.QUEUE}-{number}" for number in range(1, arguments.queues))]
    with (
        closing(rig.create_app(broker.url, transport)) as app,
        rig.Worker(broker, transport, pool=pool, concurrency=arguments.concurrency, queues=queues) as worker,
    ):
        worker.warm(app)
        time.sleep(CALM_DOWN_S)
        meter = Meter(broker, worker)
        time.sleep(arguments.seconds)
        cost = meter.stop()
        with sent_commands(broker) as sent:
            time.sleep(arguments.seconds)
    return {
        "pool": pool,
        "transport": transport,
        "sent_per_s": sent.total() / arguments.seconds,
        "executed_per_s": cost.executed.total() / cost.wall_s,
        "worker_cpu_percent": 100 * cost.worker_cpu_s / cost.wall_s,
        "server_cpu_percent": 100 * cost.server_cpu_s / cost.wall_s,
        "sent": sent,
        "executed": cost.executed,
    }


if __name__ == "__main__":
    main()
