"""The fleets that the tests here run on, each test on the Streams transport and on the stock one."""

from uuid import uuid4

import pytest

from tests.support.celery_fleet import Variant, own_server

USUAL = [Variant("streams")]
FULL = [
    Variant("lists"),
    *(
        Variant(transport, pool, server)
        for transport in ("streams", "lists")
        for pool, server in (("prefork", "valkey"), ("solo", "valkey"), ("threads", "redis7"))
    ),
]


@pytest.fixture(
    scope="session",
    params=[*USUAL, *(pytest.param(variant, marks=pytest.mark.full) for variant in FULL)],
    ids=str,
)
def shared_fleet(request, tmp_path_factory):
    with own_server(request.param, tmp_path_factory.mktemp("fleet")) as fleet:
        yield fleet


@pytest.fixture
def fleet(shared_fleet):
    """Two workers, up and idle; shared, so a test leaves no message behind."""
    shared_fleet.ensure_workers()
    return shared_fleet


@pytest.fixture
def label():
    """Names what the tasks of one test note."""
    return str(uuid4())
