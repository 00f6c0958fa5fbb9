"""A task may take longer than the lease, and its worker may stop for a moment: nobody else starts it."""

import time

import pytest

from tests.faults.conftest import Case

pytestmark = [pytest.mark.timeout(300), pytest.mark.full]


def test_a_task_longer_than_its_lease_starts_once(case: Case, new_fleet) -> None:
    lease_s, task_s = case.size(small=(1.5, 4.5), full=(5, 60))
    fleet = new_fleet(lease_s=lease_s)
    fleet.start(2, concurrency=case.slots)
    fleet.publish("note", "long", sleep_s=task_s)
    fleet.wait_done(["long"], within_s=task_s + 10)
    fleet.wait_drained()
    assert len(fleet.effects.starts("long")) == 1


def test_a_worker_may_stop_for_less_than_its_lease(case: Case, new_fleet) -> None:
    lease_s = case.size(small=2, full=5)
    fleet = new_fleet(lease_s=lease_s)
    fleet.start(2, concurrency=case.slots)
    fleet.publish("note", "long", sleep_s=1.5 * lease_s)
    [start] = fleet.until(lambda: fleet.effects.starts("long"), within_s=10, what="the start")
    worker = fleet.worker_of(start)
    worker.pause()
    time.sleep(lease_s / 2)
    worker.resume()
    fleet.wait_done(["long"], within_s=1.5 * lease_s + 10)
    fleet.wait_drained()
    assert len(fleet.effects.starts("long")) == 1


def test_a_worker_that_stopped_for_longer_than_its_lease_is_one_of_the_fleet_again(case: Case, new_fleet) -> None:
    """What it held ran elsewhere meanwhile; what it says of that afterwards must not count."""
    lease_s = 2
    fleet = new_fleet(lease_s=lease_s)
    workers = fleet.start(2, concurrency=1)
    fleet.publish("note", "long", sleep_s=1.5 * lease_s)
    [start] = fleet.until(lambda: fleet.effects.starts("long"), within_s=10, what="the start")
    stopped = fleet.worker_of(start)
    stopped.pause()
    fleet.until(lambda: len(fleet.effects.starts("long")) == 2, within_s=lease_s + 2, what="the second start")
    stopped.resume()
    fleet.wait_done(["long"], within_s=2 * lease_s + 10)
    fleet.wait_drained()

    for other in set(workers) - {stopped}:
        other.stop()
    fleet.probe(within_s=15)
    assert len(fleet.effects.starts("long")) == 2
