"""Workers die by SIGKILL: what they held is run elsewhere, soon, and nothing else is run again."""

import time
from random import Random

import pytest

from tests.faults.conftest import Case
from tests.support.fleet import Fleet
from tests.support.load import Load

pytestmark = pytest.mark.timeout(900)

WORKERS = 3
NOTICED_WITHIN_S = 2
"""Beyond the lease."""


def test_a_killed_worker_s_task_runs_elsewhere(case: Case, new_fleet, measured) -> None:
    lease_s = case.size(small=2, full=5)
    fleet = new_fleet(lease_s=lease_s)
    fleet.start(2, concurrency=case.slots)
    delays_s = [run_elsewhere_after_s(fleet, f"task-{number}") for number in range(case.size(small=1, full=5))]
    measured("a dead worker's task ran again after, at most, s", max(delays_s))
    assert max(delays_s) < lease_s + NOTICED_WITHIN_S
    fleet.wait_drained()


def run_elsewhere_after_s(fleet: Fleet, token: str) -> float:
    """Kill the worker that runs a task, and put a new one into its place."""
    fleet.publish("note", token, sleep_s=2)
    [first] = fleet.until(lambda: fleet.effects.starts(token), within_s=10, what="the start")
    fleet.worker_of(first).kill()
    killed_at = fleet.now()
    fleet.until(lambda: len(fleet.effects.starts(token)) > 1, within_s=60, what="the second start")
    second = fleet.effects.starts(token)[1]
    assert second.main_pid != first.main_pid
    fleet.wait_done([token], within_s=10)
    fleet.revive()
    return second.at - killed_at


@pytest.mark.full
def test_a_task_acknowledged_at_its_start_dies_with_its_worker(case: Case, new_fleet) -> None:
    if case.pool == "solo":
        pytest.skip("Celery sends this acknowledgement from its event loop, which a solo task holds up until it ends")
    fleet = new_fleet(lease_s=1.5)
    fleet.start(2, concurrency=1)
    fleet.publish("note_early", "early", sleep_s=30)
    [start] = fleet.until(lambda: fleet.effects.starts("early"), within_s=10, what="the start")
    fleet.wait_drained()
    fleet.worker_of(start).kill_group()
    # This one has to be recovered, so by then the other would have been.
    fleet.publish("note", "late", sleep_s=1)
    [late] = fleet.until(lambda: fleet.effects.starts("late"), within_s=10, what="the start")
    fleet.worker_of(late).kill_group()
    fleet.revive()
    fleet.wait_done(["late"], within_s=30)
    fleet.wait_drained()
    assert len(fleet.effects.starts("early")) == 1


@pytest.mark.full
def test_a_retry_does_not_wait_for_the_worker_that_asked_for_it(case: Case, new_fleet, measured) -> None:
    countdown_s = 3
    fleet = new_fleet(lease_s=20)
    fleet.start(2, concurrency=case.slots)
    fleet.publish("retrying", "retried", times=1, countdown_s=countdown_s)
    [first] = fleet.until(lambda: fleet.effects.starts("retried.0"), within_s=10, what="the first try")
    # So that the worker owes nothing any more.
    fleet.wait_drained()
    fleet.worker_of(first).kill_group()
    fleet.wait_done(["retried"], within_s=countdown_s + 5)
    [second] = fleet.effects.starts("retried.1")
    measured("a retry after 3 s began after s", second.at - first.at)
    assert countdown_s <= second.at - first.at < countdown_s + 1
    fleet.wait_drained()


@pytest.mark.full
def test_nothing_is_lost_however_often_workers_die(case: Case, new_fleet, measured) -> None:
    """A hop is done again if its worker died between its start and its acknowledgement, and then all that follow."""
    kills = case.size(small=5, full=100)
    fleet = new_fleet(lease_s=2)
    fleet.start(WORKERS, concurrency=case.slots)
    with Load(fleet, chains_per_s=10, sleep_s=0.01) as load:
        random = Random(20261121)
        for _ in range(kills):
            time.sleep(random.uniform(0, 0.5))
            kill_one(fleet, random)
    fleet.wait_done(load.tokens, within_s=60)
    fleet.wait_drained()
    again = sum(fleet.effects.started_again().values())
    measured("hops published, and of them lost", (len(load.tokens), 0))
    measured("hops run again for each kill", again / kills)
    assert not case.is_full or again / kills <= 0.4


def kill_one(fleet: Fleet, random: Random) -> None:
    """Kill a worker, with or without its children, and put a new one into its place."""
    victim = random.choice(fleet.workers)
    random.choice([victim.kill, victim.kill_group])()
    fleet.revive()
    fleet.wait_ready(fleet.workers[-1])
