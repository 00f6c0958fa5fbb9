"""Chains of four no-op tasks: hops per second, CPU and commands, on Streams against kombu's lists.

The chains are published first, while a warmed worker is held at a gate; what is timed is from the opening of the gate
to the last task. Transports take turns on one server, because timings on a shared machine swing.

    python -m tests.benchmarks.transport.chains --rounds 5
    python -m tests.benchmarks.transport.chains --pools threads --prefetch 1 --profile profiles  # needs py-spy

`--profile FOLDER` writes one folded profile for each measurement, of the samples that held the GIL, and prints
where they were. The speed of a profiled run says nothing.
"""

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median

from celery import Celery, chain

from tests.benchmarks.transport import report, rig
from tests.benchmarks.transport.meter import Meter, sent_commands
from tests.benchmarks.transport.profiling import profiled

HOPS = 4


@dataclass(frozen=True)
class Cell:
    """What is compared with the other transport."""

    pool: str
    concurrency: int
    prefetch: int


@dataclass(frozen=True)
class Round:
    """One measurement."""

    cell: Cell
    transport: str
    chains_per_s: float
    worker_ms_per_hop: float
    server_ms_per_hop: float
    executed_per_hop: dict[str, float]
    """Commands, those that scripts call too."""


@dataclass(frozen=True)
class Sent:
    """What clients sent in one round that was not timed."""

    cell: Cell
    transport: str
    sent_per_hop: dict[str, float]


def main() -> None:
    arguments = _arguments()
    figures: list[Sent | Round] = []
    with rig.server() as broker:
        for cell in _cells(arguments):
            sent = [_counted(broker, cell, transport, arguments.chains) for transport in arguments.transports]
            rounds = [
                _timed(broker, cell, transport, arguments)
                for _ in range(arguments.rounds)
                for transport in arguments.transports
            ]
            _report(cell, sent, rounds)
            figures += [*sent, *rounds]
    report.write_json(arguments.json, figures)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chains", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pools", nargs="+", choices=["threads", "prefork"], default=["threads", "prefork"])
    parser.add_argument("--prefetch", nargs="+", type=int, default=[1, 4])
    parser.add_argument("--threads", type=int, default=8, help="concurrency of the pool of threads")
    parser.add_argument("--processes", type=int, default=2, help="concurrency of the prefork pool")
    parser.add_argument("--transports", nargs="+", choices=rig.TRANSPORTS, default=rig.TRANSPORTS)
    parser.add_argument("--profile", type=Path, metavar="FOLDER")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _cells(arguments: argparse.Namespace) -> list[Cell]:
    concurrency = {"threads": arguments.threads, "prefork": arguments.processes}
    return [Cell(pool, concurrency[pool], prefetch) for pool, prefetch in product(arguments.pools, arguments.prefetch)]


def _counted(broker: rig.Server, cell: Cell, transport: str, chains: int) -> Sent:
    with _backlog(broker, cell, transport, chains) as (worker, gate), sent_commands(broker) as sent:
        gate.open()
        worker.until_done(chains)
    return Sent(cell, transport, _per_hop(sent, chains))


def _timed(broker: rig.Server, cell: Cell, transport: str, arguments: argparse.Namespace) -> Round:
    chains = arguments.chains
    with (
        _backlog(broker, cell, transport, chains) as (worker, gate),
        profiled(worker, arguments.profile, f"{cell.pool}-{cell.prefetch}-{transport}"),
    ):
        meter, opened = Meter(broker, worker), time.monotonic()
        gate.open()
        worker.until_done(chains)
        cost = meter.stop()
        took_s = max(at for _, at, _ in worker.done.read()) - opened
    return Round(
        cell,
        transport,
        chains_per_s=chains / took_s,
        worker_ms_per_hop=1000 * cost.worker_cpu_s / chains / HOPS,
        server_ms_per_hop=1000 * cost.server_cpu_s / chains / HOPS,
        executed_per_hop=_per_hop(cost.executed, chains),
    )


@contextmanager
def _backlog(broker: rig.Server, cell: Cell, transport: str, chains: int) -> Iterator[tuple[rig.Worker, rig.Gate]]:
    """A warmed worker behind a gate, and chains that wait for it."""
    broker.client.flushall()
    with (
        closing(rig.create_app(broker.url, transport)) as app,
        rig.Worker(broker, transport, pool=cell.pool, concurrency=cell.concurrency, prefetch=cell.prefetch) as worker,
    ):
        worker.warm(app)
        gate = worker.close_gate(app)
        _publish(app, chains)
        yield worker, gate


def _publish(app: Celery, chains: int) -> None:
    hops = [app.signature("hop", (), immutable=True, queue=rig.QUEUE)] * (HOPS - 1)
    for number in range(chains):
        chain(*hops, app.signature("mark", (number,), immutable=True, queue=rig.QUEUE), app=app).apply_async()


def _per_hop(commands: Counter[str], chains: int) -> dict[str, float]:
    return {name: round(count / chains / HOPS, 3) for name, count in commands.most_common()}


def _report(cell: Cell, sent: list[Sent], rounds: list[Round]) -> None:
    title = f"{cell.pool} of {cell.concurrency}, prefetch {cell.prefetch}"
    print(f"\n{title}: medians of {len(rounds) // len(sent)} rounds")
    report.print_table([_row(each, [own for own in rounds if own.transport == each.transport]) for each in sent])
    speeds = {transport: [] for transport in rig.TRANSPORTS}
    for each in rounds:
        speeds[each.transport].append(each.chains_per_s)
    if ratios := [streams / lists for lists, streams in zip(*speeds.values(), strict=False)]:
        print(f"streams/lists: {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def _row(sent: Sent, rounds: list[Round]) -> dict[str, object]:
    names = ("chains_per_s", "worker_ms_per_hop", "server_ms_per_hop")
    return {
        "transport": sent.transport,
        **{name: median([getattr(each, name) for each in rounds]) for name in names},
        "sent_per_hop": sum(sent.sent_per_hop.values()),
        "executed_per_hop": median([sum(each.executed_per_hop.values()) for each in rounds]),
    }


if __name__ == "__main__":
    main()
