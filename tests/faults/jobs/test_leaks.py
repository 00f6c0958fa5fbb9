"""Ten thousand jobs leave nothing behind in the processes that ran them."""

import statistics
from contextlib import closing

import psutil
import pytest

from orchestration.settings import Settings
from orchestration.submit import Submission
from orchestration.wiring import Wiring
from tests.benchmarks.noop import STAGES
from tests.support.job_fleet import JobFleet

pytestmark = [pytest.mark.timeout(2400), pytest.mark.full]

WARM_UP, STEP, STEPS = 1000, 1000, 10
LEAK_KIB_PER_JOB = 1.0
DESCRIPTORS = 3
"""Connections that come and go."""
STEP_WITHIN_S = 200


def test_ten_thousand_jobs_leave_no_memory_and_no_descriptors_behind(new_fleet, measured) -> None:
    fleet = new_fleet(catalog="tests.benchmarks.noop:CATALOG", io_concurrency=4)
    fleet.start(dict.fromkeys(STAGES, 1), width=4)
    watched = {child.queue or child.role: psutil.Process(child.pid) for child in fleet.processes}
    kib: dict[str, list[float]] = {name: [] for name in watched}
    descriptors: dict[str, list[int]] = {name: [] for name in watched}
    settings = Settings(
        data_dir=fleet.folder,
        payload_dir=fleet.payloads,
        database_url=fleet.database_url,
        broker_url=fleet.broker.url,
        catalog="tests.benchmarks.noop:CATALOG",
    )
    with closing(Wiring(settings)) as wiring:
        run(fleet, wiring, WARM_UP)
        for _ in range(STEPS):
            run(fleet, wiring, STEP)
            for name, process in watched.items():
                kib[name].append(process.memory_info().rss / 1024)
                descriptors[name].append(process.num_fds())
    jobs = [STEP * number for number in range(1, STEPS + 1)]
    slopes = {name: statistics.linear_regression(jobs, values).slope for name, values in kib.items()}
    measured("KiB a job", {name: round(slope, 3) for name, slope in slopes.items()})
    measured("descriptors", descriptors)
    assert max(slopes.values()) <= LEAK_KIB_PER_JOB
    assert all(max(counts) - min(counts) <= DESCRIPTORS for counts in descriptors.values())


def run(fleet: JobFleet, wiring: Wiring, jobs: int) -> None:
    for _ in range(jobs):
        wiring.desk.submit(Submission(body=b"x", content_type="text/plain", pipeline="noop"))
    fleet.wait_quiet(within_s=STEP_WITHIN_S)
