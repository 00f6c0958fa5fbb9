"""Jobs per second: four no-op stages through the whole stack, against the same chain in bare Celery.

Both run in turn on the same broker in one session, with the same pool, prefetch and number of workers, because
timings on a shared machine swing. What is compared is the price of records, leases and claim checks.

    python -m tests.benchmarks.throughput --jobs 500 --rounds 3
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from orchestration.embedded.background import background_stack
from orchestration.embedded.datadir import DataDir
from orchestration.settings import Settings
from orchestration.submit import Submission
from orchestration.wiring import Wiring
from pipeline.job import DEFAULT_TENANT, JobState
from tests.benchmarks import noop

CONCURRENCY = 16
DEADLINE_S = 600
POLL_S = 0.05


@dataclass(frozen=True)
class Round:
    """One measurement of one side."""

    side: str
    jobs_per_s: float
    submit_ms_per_job: float
    cpu_ms_per_job: float
    """Of workers, keeper and broker; not of this process."""


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="pb") as folder, _both_sides(Path(folder)) as (wiring, app, processes):
        sides = [("penstock", lambda n: _penstock(wiring, n)), ("bare", lambda n: _bare(app, n))]
        for _, run in sides:
            run(50)  # warm
        rounds = [
            _measured(side, run, processes[side], arguments.jobs)
            for _ in range(arguments.rounds)
            for side, run in sides
        ]
    _report(rounds, arguments.jobs)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


@contextmanager
def _both_sides(folder: Path) -> Iterator[tuple[Wiring, object, dict[str, list[psutil.Process]]]]:
    settings = Settings(
        data_dir=folder, catalog="tests.benchmarks.noop:CATALOG", io_concurrency=CONCURRENCY, log_level="warning"
    )
    os.environ["BARE_BROKER_URL"] = settings.redis_url
    with background_stack(settings), closing(Wiring(settings)) as wiring, _bare_workers() as bare:
        note = DataDir(settings.data_dir).running()
        assert note is not None
        stack = psutil.Process(note.pid).children(recursive=True)
        broker = [process for process in stack if "valkey" in process.name() or "redis" in process.name()]
        rest = [process for process in stack if process not in broker]
        app = noop.bare_app()
        yield wiring, app, {"penstock": rest + broker, "bare": bare + broker}


@contextmanager
def _bare_workers() -> Iterator[list[psutil.Process]]:
    command = [sys.executable, "-m", "celery", "-A", "tests.benchmarks.bare", "worker", "-P", "threads"]
    options = ["-c", str(CONCURRENCY), "-l", "warning", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    children = [
        subprocess.Popen(
            [*command, *options, "-Q", f"bare-{name}", "-n", f"{name}@bare"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name in noop.STAGES
    ]
    try:
        yield [psutil.Process(child.pid) for child in children]
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait(30)


def _measured(side: str, run: Callable[[int], float], processes: list[psutil.Process], jobs: int) -> Round:
    cpu, started = _cpu_s(processes), time.monotonic()
    submitting_s = run(jobs)
    took_s = time.monotonic() - started
    return Round(
        side=side,
        jobs_per_s=jobs / took_s,
        submit_ms_per_job=1000 * submitting_s / jobs,
        cpu_ms_per_job=1000 * (_cpu_s(processes) - cpu) / jobs,
    )


def _cpu_s(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _penstock(wiring: Wiring, jobs: int) -> float:
    started = time.monotonic()
    ids = [wiring.desk.submit(Submission(url="about:blank", pipeline="noop")).id for _ in range(jobs)]
    submitted = time.monotonic()
    _until(lambda: not any(_unfinished(wiring, job_id) for job_id in reversed(ids)))
    return submitted - started


def _unfinished(wiring: Wiring, job_id: str) -> bool:
    job = wiring.records.job(DEFAULT_TENANT, job_id)
    if job is None or job.state is JobState.FAILED:
        raise RuntimeError(f"job {job_id} failed: {job and job.error}")
    return not job.state.is_terminal


def _bare(app, jobs: int) -> float:  # type: ignore[no-untyped-def]
    counter = noop._counter()
    counter.set("bare-done", 0)
    started = time.monotonic()
    for number in range(jobs):
        noop.bare_chain(app, number)
    submitted = time.monotonic()
    _until(lambda: int(counter.get("bare-done")) >= jobs)
    return submitted - started


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the jobs did not finish")
        time.sleep(POLL_S)


def _report(rounds: list[Round], jobs: int) -> None:
    def median(side: str, field: str) -> float:
        return statistics.median(getattr(entry, field) for entry in rounds if entry.side == side)

    for entry in rounds:
        print(f"{entry.side:9s} {entry.jobs_per_s:7.1f} jobs/s  {entry.cpu_ms_per_job:6.1f} ms CPU/job")
    summary = {
        "jobs": jobs,
        "rounds": len(rounds) // 2,
        **{
            side: asdict(
                Round(side, *(median(side, name) for name in ("jobs_per_s", "submit_ms_per_job", "cpu_ms_per_job")))
            )
            for side in ("penstock", "bare")
        },
        "ratio": median("penstock", "jobs_per_s") / median("bare", "jobs_per_s"),
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
