"""A server for results and notes, apart from the brokers under test."""

from uuid import uuid4

import pytest

from tests.support.brokers import KINDS, Broker
from tests.support.ports import free_port


@pytest.fixture(scope="session")
def backend(tmp_path_factory):
    with Broker(KINDS["valkey"].binary(), tmp_path_factory.mktemp("backend"), port=free_port()) as server:
        yield server


@pytest.fixture
def label():
    """Names what the tasks of one test note."""
    return str(uuid4())
