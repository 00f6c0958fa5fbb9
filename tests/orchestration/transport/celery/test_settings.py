"""Settings of Celery that lean on the transport: the same on the Streams transport as on the stock one."""

import pytest

from tests.support.celery_fleet import NARROW, WIDE, WITHIN_S, Fleet, Variant, own_server
from tests.support.waiting import until

pytestmark = pytest.mark.full

ALONE = ("--without-mingle", "--without-gossip")


@pytest.fixture(params=["streams", "lists"])
def fleet(request, tmp_path):
    with own_server(Variant(request.param), tmp_path) as fleet:
        yield fleet


def test_without_prefetching_a_worker_takes_no_more_than_it_runs(fleet, label):
    fleet.start_worker(WIDE, "parity", 2, *ALONE, "--disable-prefetch", "--prefetch-multiplier", "4")
    results = [fleet.send("hold", label) for _ in range(6)]
    fleet.wait_noted(label, 2)
    assert fleet.inspect(WIDE).reserved() == {WIDE: []}
    assert (fleet.size("parity"), len(fleet.noted(label))) == (4, 2)
    fleet.release(label, 6)
    [result.get(timeout=WITHIN_S) for result in results]


def test_with_prefetching_a_worker_takes_as_much_as_it_may(fleet, label):
    fleet.start_worker(WIDE, "parity", 2, *ALONE, "--prefetch-multiplier", "2")
    results = [fleet.send("hold_late", label) for _ in range(6)]
    fleet.wait_noted(label, 2)
    until(lambda: fleet.size("parity") == 2, within_s=WITHIN_S, what="two more to be taken")
    assert len(fleet.inspect(WIDE).reserved()[WIDE]) == 2
    fleet.release(label, 6)
    [result.get(timeout=WITHIN_S) for result in results]


def test_a_queue_that_vanishes_gives_back_after_the_visibility_timeout(fleet, tmp_path, label):
    """It stays with the lists, so it has the recovery of the lists."""
    options = {"visibility_timeout": 3, "unacked_restore_interval": 1, "unacked_restore_throttle": 1}
    with Fleet(fleet.variant, tmp_path, fleet.broker_url, fleet.backend_url, options) as patient:
        lost = patient.start_worker(NARROW, "fleeting", 1, *ALONE)
        result = patient.send("hold_late", label, queue="fleeting")
        patient.wait_noted(label, 1)
        lost.process.kill()
        lost.process.wait()
        patient.start_worker(WIDE, "fleeting", 1, *ALONE)
        patient.wait_noted(label, 2)
        patient.release(label, 2)
        result.get(timeout=WITHIN_S)


def test_results_may_come_as_messages(fleet, tmp_path):
    """The backend rpc:// leads its results through the broker, to a queue that vanishes."""
    with Fleet(fleet.variant, tmp_path, fleet.broker_url, "rpc://") as by_messages:
        by_messages.start_worker(WIDE, "parity", 2, *ALONE)
        assert by_messages.run("add", 1, 1) == 2
        results = [by_messages.send("add", n, n) for n in range(3)]
        assert [result.get(timeout=WITHIN_S) for result in results] == [0, 2, 4]
