"""Fair share: how long a tenant's single job takes behind another's backlog, in times of the stage that is busy.

One tenant submits thousands of jobs one by one, a worker's 4 places each take 0.2 s for one, and then another tenant
submits a single job now and then. What is told is how much longer it takes than on an idle stack, by the time of
the stage. The backlog's own throughput is told against what the places can do at most.

    python -m tests.benchmarks.fair_share --jobs 10000 --probes 20
"""

import argparse
import json
import statistics
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from orchestration.embedded.background import background_stack
from orchestration.settings import Settings
from orchestration.submit import Submission
from orchestration.wiring import Wiring
from pipeline.job import JobState
from pipeline.ports import JobFilter
from tests.support.sleepy import STAGE_S

CONCURRENCY = 4
POLL_S = 0.01
DEADLINE_S = 120
PROBE_EVERY_S = 1.0


@dataclass(frozen=True)
class Tenants:
    """Submits for both, through one process's services."""

    wiring: Wiring

    def submit(self, tenant_id: str) -> str:
        return self.wiring.desk.submit(Submission(url="about:blank", pipeline="sleepy", tenant_id=tenant_id)).id

    def took_s(self) -> float:
        """How long a single job takes."""
        started = time.monotonic()
        job_id = self.submit("small")
        while time.monotonic() < started + DEADLINE_S:
            job = self.wiring.records.job("small", job_id)
            if job is not None and job.state is JobState.SUCCEEDED:
                return time.monotonic() - started
            time.sleep(POLL_S)
        raise TimeoutError("the single job did not finish")

    def done(self) -> int:
        return self.wiring.records.count("big", JobFilter(states=(JobState.SUCCEEDED,)))


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="pb") as folder:
        settings = Settings(
            data_dir=Path(folder),
            catalog="tests.support.sleepy:CATALOG",
            io_concurrency=CONCURRENCY,
            log_level="warning",
        )
        with background_stack(settings), closing(Wiring(settings)) as wiring:
            print(json.dumps(_measured(Tenants(wiring), arguments.jobs, arguments.probes)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--probes", type=int, default=20)
    return parser.parse_args()


def _measured(tenants: Tenants, jobs: int, probes: int) -> dict[str, float]:
    idle_s = statistics.median(tenants.took_s() for _ in range(5))
    for _ in range(jobs):
        tenants.submit("big")
    while tenants.done() < 5 * CONCURRENCY:
        time.sleep(POLL_S)
    started, done = time.monotonic(), tenants.done()
    delays = []
    for _ in range(probes):
        delays.append((tenants.took_s() - idle_s) / STAGE_S)
        time.sleep(PROBE_EVERY_S)
    per_s = (tenants.done() - done + probes) / (time.monotonic() - started)
    left = jobs - tenants.done()
    if left < CONCURRENCY:
        raise RuntimeError("the backlog was over before the last probe: ask for more jobs")
    return {
        "idle_s": round(idle_s, 2),
        "delay_stage_times_median": round(statistics.median(delays), 1),
        "delay_stage_times_max": round(max(delays), 1),
        "throughput_of_most": round(per_s / (CONCURRENCY / STAGE_S), 2),
        "backlog_left": left,
    }


if __name__ == "__main__":
    main()
