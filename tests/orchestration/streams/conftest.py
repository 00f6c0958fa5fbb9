"""One server for all tests here, which each find it empty."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.brokers import KINDS, Broker


@pytest.fixture(scope="session")
def shared_server():
    with (
        TemporaryDirectory(prefix="streams-") as folder,
        Broker(KINDS["valkey"].binary(), Path(folder), appendonly="no") as server,
    ):
        yield server


@pytest.fixture
def server(shared_server):
    with shared_server.client() as client:
        client.flushall()
    return shared_server
