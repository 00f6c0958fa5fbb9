"""A worker is killed at one exact point of an attempt. The job goes on elsewhere, and nothing is done twice but what
cannot be helped: an effect on the world outside whose outcome was not yet recorded."""

import pytest

from tests.support.faulty_box import POINTS
from tests.support.faulty_verdict import judge
from tests.support.job_fleet import STAGES

pytestmark = [pytest.mark.timeout(300)]

RESUMED_WITHIN_S = 10.0
NO_SUCH_POINT = {("after_effect", "store"), ("published", "store")}
"""What it stores is its only effect; nothing comes after it."""
SMOKE = {"payload_written"}


@pytest.mark.parametrize(
    "point", [point if point in SMOKE else pytest.param(point, marks=pytest.mark.full) for point in POINTS]
)
def test_a_job_goes_on_after_its_worker_was_killed(point: str, new_fleet, measured) -> None:
    fleet = new_fleet().start(dict.fromkeys(STAGES, 2))
    stages = [stage for stage in STAGES if (point, stage) not in NO_SUCH_POINT]
    for stage in stages:
        fleet.box.arm(point, stage)
    jobs = [fleet.accepted() for _ in stages]
    for job in jobs:
        fleet.listen(job)

    assert set(fleet.wait_ended(jobs).values()) == {"succeeded"}
    fleet.wait_quiet()
    verdict = judge(fleet, recovered_within_s=RESUMED_WITHIN_S, duplicates_per_kill=None)
    assert verdict.failures == []
    assert sorted(fault.stage for fault in fleet.faults("kill")) == sorted(stages)
    measured("resumed after, s", verdict.longest_recovery_s)
    measured("duplicate effects", verdict.duplicate_effects)
    # A page and a summary: parsing and storing have no effect outside, and an answer of the model is kept at once.
    assert verdict.duplicate_effects == {"after_effect": 2, "payload_written": 1}.get(point, 0)
