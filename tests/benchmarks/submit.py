"""How long a submission takes, from the moment it was due to its 202, beside idle and beside busy workers.

A whole stack, with subscribers that hold idle streams of events. Jobs come at random times (a Poisson process) that
are fixed beforehand. First all workers are stopped, so that jobs are only accepted and queued; then they work on what
has piled up and on what comes, as fast as they can.

    python -m tests.benchmarks.submit --rate 100 --seconds 300 --subscribers 1000

The last line is JSON.
"""

import argparse
import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from itertools import accumulate
from random import Random

import psutil
from sqlalchemy import create_engine, func, select

from orchestration.storage.schema import jobs
from pipeline.job import JobState
from tests.benchmarks import noop, parked
from tests.benchmarks.listeners import Listeners
from tests.benchmarks.open_loop import post_at
from tests.benchmarks.transport.report import percentile, print_table
from tests.support.databases import postgresql_url
from tests.support.stack import LiveStack, live_stack

BODY = json.dumps({"url": "about:blank", "pipeline": "noop"}).encode()
ACCEPTED = 202
MOST_P99_MS = {"idle": 50, "busy": 150}
WARM_UP_JOBS = 50
SEED = 5


@dataclass(frozen=True)
class Submissions:
    """What clients saw, and what the processes of the stack were doing."""

    workers: str
    jobs: int
    errors: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    api_cpu_percent: float
    workers_cpu_percent: float
    done: int
    """Jobs that ended meanwhile."""


def main() -> None:
    arguments = _arguments()
    before = os.getloadavg()
    database = {"database_url": postgresql_url()} if arguments.database == "postgresql" else {}
    with (
        live_stack(**parked.SETTINGS, **database) as stack,
        Listeners(str(stack.client.base_url)) as listeners,
        parked.stopped(stack, [parked.PARKED]),
    ):
        listeners.open([stack.submit(url="about:blank", pipeline="parked") for _ in range(arguments.subscribers)])
        stack.wait_all([stack.submit(url="about:blank", pipeline="noop") for _ in range(WARM_UP_JOBS)])
        due_s = _due_s(arguments.rate, arguments.seconds)
        rows = []
        for workers in ("idle", "busy"):
            with parked.stopped(stack, noop.STAGES) if workers == "idle" else nullcontext():
                rows.append(_measured(stack, workers, due_s))
    _report(rows, vars(arguments), before)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=100, help="submissions a second")
    parser.add_argument("--seconds", type=float, default=300, help="of each of the two")
    parser.add_argument("--subscribers", type=int, default=1000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    return parser.parse_args()


def _due_s(rate: float, seconds: float) -> list[float]:
    random = Random(SEED)
    return list(accumulate(random.expovariate(rate) for _ in range(round(rate * seconds))))


def _measured(stack: LiveStack, workers: str, due_s: Sequence[float]) -> Submissions:
    running = parked.processes(stack)
    cpu_before, done_before, began_at = _cpu_s(running), _succeeded(stack), time.monotonic()
    answers = post_at(f"{str(stack.client.base_url).rstrip('/')}/v1/jobs", BODY, due_s)
    took_s = time.monotonic() - began_at
    cpu = {name: 100 * (after_s - cpu_before[name]) / took_s for name, after_s in _cpu_s(running).items()}
    latencies = [answer.latency_ms for answer in answers]
    return Submissions(
        workers,
        len(answers),
        sum(answer.status != ACCEPTED for answer in answers),
        *(percentile(latencies, share) for share in (0.5, 0.95, 0.99, 1.0)),
        api_cpu_percent=cpu["api"],
        workers_cpu_percent=sum(percent for name, percent in cpu.items() if name.startswith("worker")),
        done=_succeeded(stack) - done_before,
    )


def _cpu_s(processes: Mapping[str, psutil.Process]) -> dict[str, float]:
    return {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}


def _succeeded(stack: LiveStack) -> int:
    engine = create_engine(stack.environ.get("PENSTOCK_DATABASE_URL", f"sqlite:///{stack.data_dir / 'penstock.db'}"))
    with engine.connect() as connection:
        query = select(func.count()).select_from(jobs).where(jobs.c.state == JobState.SUCCEEDED)
        found = connection.execute(query).scalar_one()
    engine.dispose()
    return int(found)


def _report(rows: Sequence[Submissions], asked: dict[str, object], load_before: Sequence[float]) -> None:
    print_table([asdict(row) for row in rows])
    goals = {row.workers: row.p99_ms <= MOST_P99_MS[row.workers] and not row.errors for row in rows}
    load = {"load_before": load_before, "load_after": os.getloadavg()}
    print(f"\ngoals met: {goals}; {load}\n")
    print(json.dumps({**asked, **load, "goals": goals, "submissions": rows}, default=asdict))


if __name__ == "__main__":
    main()
