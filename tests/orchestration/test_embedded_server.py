import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestration.embedded import server
from orchestration.embedded.lifeline import Lifeline
from pipeline.errors import BrokerUnavailable
from tests.support.forking import forked
from tests.support.waiting import until


def client(path: Path) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(path), decode_responses=True, retry=Retry(NoBackoff(), 0))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, because a socket's path may have 107 characters only."""
    with TemporaryDirectory(prefix="penstock-", dir="/tmp") as path:
        yield Path(path)
        for guardian in Guardian.started[:]:
            guardian.end()
        with suppress(redis.RedisError):
            client(Path(path) / "broker" / "valkey.sock").shutdown(nosave=True)


class Guardian:
    """A guardian in a child of its own, with its server. `started` remembers all, for the fixture to end."""

    started: ClassVar[list["Guardian"]] = []

    def __init__(self, folder: Path) -> None:
        self.started.append(self)
        self.socket = folder / "broker" / "valkey.sock"
        self.lifeline = Lifeline()
        self.pid = forked(lambda: self.guard(folder / "broker"))
        server.wait_until_up(self.socket)

    def guard(self, data: Path) -> None:
        self.lifeline.enter_child()
        server.guard_server(data, self.socket, self.lifeline)

    def client(self) -> redis.Redis:
        return client(self.socket)

    def end(self, number: signal.Signals | None = None) -> None:
        self.started.remove(self)
        if number is None:
            self.lifeline.cut()
        else:
            os.kill(self.pid, number)
        os.waitpid(self.pid, 0)


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as plug:
        return plug.connect_ex(str(path)) == 0


def test_an_interrupt_is_left_to_the_supervisor(folder: Path) -> None:
    guardian = Guardian(folder)
    os.kill(guardian.pid, signal.SIGINT)
    assert guardian.client().ping()
    guardian.end()
    assert not answers(guardian.socket)


def test_there_is_a_server_to_start() -> None:
    found = server.find_server()
    assert found.is_file()
    assert os.access(found, os.X_OK)


def test_without_a_package_one_from_the_path_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_packaged", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrokerUnavailable, match="PENSTOCK_BROKER_URL"):
        server.find_server()
    for name in ("redis-server", "valkey-server"):
        (tmp_path / name).touch(mode=0o755)
        assert server.find_server() == tmp_path / name


def test_it_keeps_what_it_is_told_and_refuses_rather_than_forgets(folder: Path) -> None:
    guardian = Guardian(folder)
    with guardian.client() as client:
        wanted = {"maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "everysec", "port": "0"}
        assert {name: client.config_get(name)[name] for name in wanted} == wanted
        client.set("job", "kept")
    for private in (folder / "broker", guardian.socket):
        assert private.stat().st_mode & 0o077 == 0
    guardian.end()
    assert not answers(guardian.socket)
    again = Guardian(folder)
    with again.client() as client:
        assert client.get("job") == "kept"
    again.end(signal.SIGTERM)
    assert not answers(again.socket)


def _process_id(client: redis.Redis) -> int | None:
    """None while one server has gone and the next has not come, or still loads its data."""
    try:
        client.ping()  # refused while loading; INFO is not
        return client.info("server")["process_id"]
    except redis.ConnectionError:
        return None


def test_a_server_that_outlived_its_guardian_is_replaced(folder: Path) -> None:
    first = Guardian(folder)
    with first.client() as client:
        client.set("job", "kept")
        orphan = client.info("server")["process_id"]
    first.end(signal.SIGKILL)
    assert answers(first.socket)
    second = Guardian(folder)
    with second.client() as client:
        until(lambda: _process_id(client) not in (None, orphan), within_s=10, what="the new server")
        assert client.get("job") == "kept"
    second.end()


def test_a_server_that_does_not_come_up_is_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "START_TIMEOUT_S", 0.05)
    with pytest.raises(BrokerUnavailable, match="did not start"):
        server.wait_until_up(folder / "absent.sock")


def test_a_folder_of_another_user_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(BrokerUnavailable, match="another user"):
        server.guard_server(folder / "broker", folder / "s.sock", Lifeline())
