"""Connections break while the server lives: nothing is lost, and nothing starts twice."""

import time

import pytest

from tests.faults.conftest import Case
from tests.support.fleet import HOPS, Fleet

pytestmark = [pytest.mark.timeout(300), pytest.mark.full]


def test_breaking_every_connection_again_and_again_neither_loses_nor_repeats(case: Case, new_fleet, measured) -> None:
    chains, breaks, long_s = case.size(small=(60, 3, 5.0), full=(300, 10, 25.0))
    fleet = new_fleet(lease_s=5)
    fleet.start(2, concurrency=2 * case.slots)
    fleet.publish("note", "long", sleep_s=long_s)
    fleet.until(lambda: fleet.effects.starts("long"), within_s=10, what="the start")

    # So that the chains take about as long as the connections are being broken.
    hop_s = 0.6 * long_s * (4 * case.slots - 1) / (HOPS * chains)
    tokens = ["long", *publish_chains(fleet, "before", chains // 2, hop_s)]
    for number in range(breaks):
        fleet.broker.disconnect_everyone()
        tokens += publish_chains(fleet, f"during-{number}", chains // 2 // breaks, hop_s)
        time.sleep(0.8 * long_s / breaks)
    fleet.wait_done(tokens, within_s=120)
    fleet.wait_drained()
    measured("starts, and of them started again", (len(tokens), sum(fleet.effects.started_again().values())))
    assert fleet.effects.started_again() == {}


def publish_chains(fleet: Fleet, token: str, count: int, hop_s: float) -> list[str]:
    return [hop for number in range(count) for hop in fleet.publish_chain(f"{token}-{number}", sleep_s=hop_s)]


def test_a_task_that_outlives_its_connection_is_acknowledged(case: Case, new_fleet) -> None:
    fleet = new_fleet(lease_s=1.5)
    fleet.start(2, concurrency=case.slots)
    fleet.publish("note", "outliving", sleep_s=2)
    fleet.until(lambda: fleet.effects.starts("outliving"), within_s=10, what="the start")
    fleet.broker.disconnect_everyone()
    fleet.wait_done(["outliving"], within_s=10)
    fleet.wait_drained()
    assert len(fleet.effects.starts("outliving")) == 1


def test_a_task_that_ends_while_the_broker_is_away_is_acknowledged_afterwards(case: Case, new_fleet) -> None:
    fleet = new_fleet(lease_s=2)
    fleet.start(2, concurrency=case.slots)
    fleet.publish("note", "ending", sleep_s=1)
    fleet.until(lambda: fleet.effects.starts("ending"), within_s=10, what="the start")
    fleet.broker.kill()
    fleet.wait_done(["ending"], within_s=10)
    time.sleep(4)
    fleet.broker.start()
    fleet.probe(within_s=15)
    fleet.wait_drained(within_s=15)
    assert len(fleet.effects.starts("ending")) == 1
