"""A publisher is told in one way that the broker is full, and what was taken is there."""

import time
from pathlib import Path
from threading import Event, Thread

import kombu.exceptions
import pytest

from tests.faults.conftest import TRANSPORT
from tests.support.brokers import KINDS, Broker
from tests.support.fleet import Fleet

pytestmark = [pytest.mark.full, pytest.mark.timeout(180)]

FILLS = 25
FULL_S, FREE_S = 0.5, 0.3


@pytest.mark.parametrize("server", KINDS)
def test_a_full_broker_refuses_as_celery_knows_it(server: str, folder: Path, measured) -> None:
    """Most revealing is the moment in which the broker has room again, so there are many of these."""
    stopped = Event()
    with (
        Broker(KINDS[server].binary(), folder) as broker,
        Fleet(broker, folder, pool="solo", transport=TRANSPORT, lease_s=5) as fleet,
    ):
        filling = Thread(target=fill_and_free, args=(broker, stopped))
        filling.start()
        try:
            taken, refused = publish_until(stopped, fleet)
        finally:
            stopped.set()
            filling.join()
        measured("messages taken, and refused", (taken, refused))
        assert fleet.waiting() == taken
    assert refused


def fill_and_free(broker: Broker, stopped: Event) -> None:
    for _ in range(FILLS):
        if stopped.is_set():
            return
        broker.run("CONFIG", "SET", "maxmemory", 1)
        time.sleep(FULL_S)
        broker.run("CONFIG", "SET", "maxmemory", 0)
        time.sleep(FREE_S)
    stopped.set()


def publish_until(stopped: Event, fleet: Fleet) -> tuple[int, int]:
    """Publish on and on; returns how many messages were taken and how many refused."""
    taken = refused = 0
    while not stopped.wait(0.02):
        try:
            fleet.publish("note", f"token-{taken}")
            taken += 1
        except kombu.exceptions.OperationalError:
            refused += 1
    return taken, refused
