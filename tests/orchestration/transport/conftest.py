"""One server for all tests here, which each find it empty."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from orchestration.transport import member as member_module
from orchestration.transport import publisher as publisher_module
from tests.orchestration.transport.bus import Bus
from tests.orchestration.transport.proxy import Proxy
from tests.support.brokers import KINDS, Broker


@pytest.fixture(scope="session")
def shared_server():
    # Not pytest's folder: the path of a Unix socket may have about a hundred bytes.
    with (
        TemporaryDirectory(prefix="transport-") as folder,
        Broker(KINDS["valkey"].binary(), Path(folder), appendonly="no") as server,
    ):
        yield server


@pytest.fixture
def server(shared_server):
    """A server without data, with room."""
    with shared_server.client() as client:
        client.flushall()
        client.config_set("maxmemory", 0)
    return shared_server


@pytest.fixture
def client(server):
    with server.client() as client:
        yield client


@pytest.fixture
def proxy(server):
    with Proxy(server.folder / "p", server.socket) as proxy:
        yield proxy


@pytest.fixture
def bus(server, proxy, monkeypatch):  # after the proxy, through which members may still want to say good-bye
    """Connections to the server; the members they make end with the test and not with the process."""
    monkeypatch.setattr(member_module, "_members", {})
    monkeypatch.setattr(member_module, "Finalize", lambda *_args, **_options: None)
    monkeypatch.setattr(publisher_module, "_uncertain", {})
    bus = Bus(server.url)
    yield bus
    with server.client() as client:
        client.config_set("maxmemory", 0)
    bus.close()
