"""How long a page of 50 jobs takes by each filter, among a great many jobs, on SQLite and PostgreSQL.

Fills a new database directly, then asks the records for the first page and for pages from random places on. The last
line is the same as JSON.

    python -m tests.benchmarks.listing --jobs 1000000
"""

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from orchestration.storage.records import SqlRecords
from pipeline.ids import earliest_id
from pipeline.job import JobState, Lane
from pipeline.ports import JobFilter
from tests.support.crowd import GAP, fill
from tests.support.databases import postgresql_url, sqlite_url
from tests.support.jobs import TENANT
from tests.support.tools import START

PAGE = 50


@dataclass(frozen=True)
class Timing:
    """Of one filter on one database."""

    database: str
    filter: str
    found: int
    """Jobs on the first page."""
    p50_ms: float
    p99_ms: float


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="pb") as folder:
        timings = [
            timing
            for database in arguments.databases
            for timing in _database(database, Path(folder), arguments.jobs, arguments.rounds)
        ]
    for timing in timings:
        shape = f"{timing.database:<11} {timing.filter:<34} {timing.found:>3} found"
        print(f"{shape}  p50 {timing.p50_ms:7.2f} ms  p99 {timing.p99_ms:7.2f} ms")
    print(json.dumps({"jobs": arguments.jobs, "timings": [asdict(timing) for timing in timings]}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=200, help="pages of each filter")
    parser.add_argument(
        "--databases", nargs="+", choices=["sqlite", "postgresql"], default=["sqlite", "postgresql"], metavar="NAME"
    )
    return parser.parse_args()


def _filters(jobs: int) -> dict[str, dict[str, Any]]:
    middle = START + jobs * GAP / 2
    return {
        "none": {},
        "status=succeeded (90 %)": {"states": (JobState.SUCCEEDED,)},
        "status=running (0.1 %)": {"states": (JobState.RUNNING,)},
        "status=failed, cancelled, queued": {"states": (JobState.FAILED, JobState.CANCELLED, JobState.QUEUED)},
        "stage=fetch (6 %)": {"stage": "fetch"},
        "stage=store (0.1 %)": {"stage": "store"},
        "code=dns_failure (4 %)": {"code": "dns_failure"},
        "pipeline=extract (50 %)": {"pipeline": "extract"},
        "pipeline=analyze (0.1 %)": {"pipeline": "analyze"},
        "lane=urgent (0.1 %)": {"lane": Lane.URGENT},
        "tag=common (50 %)": {"tags": ("common",)},
        "tag=rare (0.1 %)": {"tags": ("rare",)},
        "tag=rare, common": {"tags": ("common", "rare")},
        "host=host-1.example (1 %)": {"host": "host-1.example"},
        "host=none.example (none)": {"host": "none.example"},
        "q=host- (99.9 %)": {"url": "host-"},
        "q=host-1.example/1 (0.1 %)": {"url": "host-1.example/1"},
        "q=host-1.example/1/9 (few)": {"url": "host-1.example/1/9"},
        "q=none (none)": {"url": "none"},
        "created_before the middle": {"created_before": middle},
        "created_after the middle": {"created_after": middle},
    }


def _database(name: str, folder: Path, jobs: int, rounds: int) -> list[Timing]:
    url = sqlite_url(folder) if name == "sqlite" else postgresql_url()
    began = time.monotonic()
    fill(url, jobs)
    print(f"{name}: {jobs} jobs in {time.monotonic() - began:.0f} s", flush=True)
    records = SqlRecords(url)
    timings = [_timed(name, records, label, where, jobs, rounds) for label, where in _filters(jobs).items()]
    records.close()
    return timings


def _timed(name: str, records: SqlRecords, label: str, where: dict[str, Any], jobs: int, rounds: int) -> Timing:
    random, meant = Random(9), JobFilter(**where)
    found = len(records.jobs(TENANT, meant, before=None, limit=PAGE).items)
    took: list[float] = []
    for number in range(rounds):
        before = earliest_id(START + random.randrange(jobs) * GAP) if number else None
        began = time.perf_counter()
        records.jobs(TENANT, meant, before=before, limit=PAGE)
        took.append((time.perf_counter() - began) * 1000)
    return Timing(name, label, found, statistics.median(took), statistics.quantiles(took, n=100)[-1])


if __name__ == "__main__":
    main()
