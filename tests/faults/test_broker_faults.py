"""The broker goes away, runs full or loses its data: the fleet goes on by itself once it is back."""

import time
from collections.abc import Callable

import pytest

from tests.faults.conftest import Case
from tests.support.brokers import Broker
from tests.support.fleet import Fleet
from tests.support.load import Load

pytestmark = pytest.mark.timeout(300)

RESUMES_WITHIN_S = 15

Fault = Callable[[Broker, float], None]


def terminate(broker: Broker, away_s: float) -> None:
    broker.terminate()
    time.sleep(away_s)
    broker.start()


def kill(broker: Broker, away_s: float) -> None:
    broker.kill()
    time.sleep(away_s)
    broker.start()


def fill_up(broker: Broker, away_s: float) -> None:
    broker.run("CONFIG", "SET", "maxmemory", 1)
    time.sleep(away_s)
    broker.run("CONFIG", "SET", "maxmemory", 0)


def freeze(broker: Broker, away_s: float) -> None:
    broker.pause()
    time.sleep(away_s)
    broker.resume()


def forget_scripts(broker: Broker, away_s: float) -> None:
    broker.run("SCRIPT", "FLUSH")


def flush(broker: Broker, away_s: float) -> None:
    broker.run("FLUSHDB")


def delete_streams(broker: Broker, away_s: float) -> None:
    broker.delete_streams()


@pytest.mark.parametrize(("fault", "away_s"), [(kill, 3), pytest.param(freeze, 5, marks=pytest.mark.full)])
def test_nothing_is_lost_or_repeated(fault: Fault, away_s: float, case: Case, new_fleet, measured) -> None:
    hurt(new_fleet(lease_s=5), case, fault, away_s, measured, keeps_data=True)


@pytest.mark.full
@pytest.mark.parametrize(("fault", "away_s"), [(terminate, 3), (terminate, 8), (kill, 8), (freeze, 60), (fill_up, 3)])
def test_nothing_is_lost_or_repeated_in_a_longer_outage(
    fault: Fault, away_s: float, case: Case, new_fleet, measured
) -> None:
    hurt(new_fleet(lease_s=5), case, fault, away_s, measured, keeps_data=True)


@pytest.mark.full
def test_nothing_is_lost_when_the_broker_forgets_its_scripts(case: Case, new_fleet, measured) -> None:
    hurt(new_fleet(lease_s=5), case, forget_scripts, 0, measured, keeps_data=True)


@pytest.mark.parametrize("fault", [flush, pytest.param(delete_streams, marks=pytest.mark.full)])
def test_the_fleet_goes_on_when_the_broker_has_lost_its_data(fault: Fault, case: Case, new_fleet, measured) -> None:
    hurt(new_fleet(lease_s=5), case, fault, 0, measured, keeps_data=False)


def hurt(fleet: Fleet, case: Case, fault: Fault, away_s: float, measured, *, keeps_data: bool) -> None:
    """Let the fault happen under load and in the middle of tasks, and see what becomes of them."""
    fleet.start(2, concurrency=case.slots)
    with Load(fleet, chains_per_s=8, sleep_s=0.05) as load:
        load.wait_published(5, within_s=10)
        fault(fleet.broker, away_s)
        measured("resumed after s", fleet.probe(within_s=RESUMES_WITHIN_S))
        afterwards = len(load.tokens)
        load.wait_published(10, within_s=RESUMES_WITHIN_S)
    fleet.wait_done(load.tokens if keeps_data else load.tokens[afterwards:], within_s=30)
    fleet.wait_drained(within_s=15)
    measured("hops published, and chains refused", (len(load.tokens), load.refused))
    assert fleet.effects.started_again() == {}
