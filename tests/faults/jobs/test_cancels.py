"""A job is cancelled while a worker stands at, or dies at, one exact point of an attempt."""

import os
import signal
import time

import pytest

from tests.support.faulty_box import POINTS, STOP
from tests.support.faulty_verdict import judge
from tests.support.job_fleet import STAGES

pytestmark = [pytest.mark.timeout(300), pytest.mark.full]

SETTLED = {("committed", "store"), ("before_ack", "store")}
"""The job has succeeded by then."""


@pytest.mark.parametrize("point", POINTS)
def test_a_job_cancelled_at_this_point_stays_cancelled(point: str, new_fleet) -> None:
    fleet = new_fleet().start()
    stages = [stage for stage in STAGES if (point, stage) not in {("after_effect", "store"), ("published", "store")}]
    for stage in stages:
        fleet.box.arm(point, stage, what=STOP)
        job = fleet.accepted()
        stop = fleet.until(lambda: at(fleet, stage), within_s=30, what=f"{point} of {stage}")  # noqa: B023
        assert fleet.cancel(job) is ((point, stage) not in SETTLED)
        os.kill(stop.pid, signal.SIGCONT)
        fleet.wait_quiet()
    time.sleep(2.5)  # Whatever came late would have to come by now: the keeper has looked twice.
    verdict = judge(fleet)
    assert verdict.failures == []
    settled = sum((point, stage) in SETTLED for stage in stages)
    assert verdict.states.get("cancelled", 0) == len(stages) - settled
    assert verdict.states.get("succeeded", 0) == settled


def at(fleet, stage):
    stops = [event for event in fleet.faults(STOP) if event.stage == stage]
    return stops[-1] if stops else None


def test_a_cancelled_job_whose_worker_died_stays_cancelled(new_fleet) -> None:
    fleet = new_fleet().start(dict.fromkeys(STAGES, 2))
    for stage in STAGES:
        for point in ("claimed", "payload_written"):
            fleet.box.arm(point, stage)
            job = fleet.accepted()
            fleet.until(lambda: not fleet.box.is_armed(point, stage), within_s=30, what="the death")  # noqa: B023
            assert fleet.cancel(job)
    fleet.wait_quiet(within_s=40)
    verdict = judge(fleet)
    assert verdict.failures == []
    assert verdict.states == {"cancelled": 2 * len(STAGES)}
