"""What only a pool of child processes can do: the same on the Streams transport as on the stock one."""

import pytest
from celery.exceptions import TaskRevokedError

from tests.support.celery_fleet import WITHIN_S, Variant, own_server

pytestmark = pytest.mark.full

FORKED = "forked@parity"


@pytest.fixture(scope="module", params=["streams", "lists"])
def fleet(request, tmp_path_factory):
    with own_server(Variant(request.param, "prefork"), tmp_path_factory.mktemp("fleet")) as fleet:
        fleet.start_worker(FORKED, "parity", 1, "--without-mingle", "--without-gossip")
        yield fleet


def test_what_runs_is_terminated_by_revoking_it(fleet, label):
    result = fleet.send("hold", label)
    fleet.wait_noted(label, 1)
    fleet.tell("revoke", FORKED, task_id=result.id, terminate=True)
    with pytest.raises(TaskRevokedError):
        result.get(timeout=WITHIN_S)
    assert fleet.run("add", 1, 1) == 2


def test_a_pool_that_grew_runs_more_at_once_and_one_that_shrank_fewer(fleet, label):
    fleet.tell("pool_grow", FORKED, n=1)
    results = [fleet.send("hold", label) for _ in range(2)]
    fleet.wait_noted(label, 2)
    fleet.release(label, 2)
    [result.get(timeout=WITHIN_S) for result in results]
    fleet.tell("pool_shrink", FORKED, n=1)
    assert fleet.inspect(FORKED).stats()[FORKED]["pool"]["max-concurrency"] == 1
