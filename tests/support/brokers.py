"""Real brokers that can be hurt: Valkey and Redis servers with a configuration of their own, and real signals.

with Broker(KINDS["valkey"].binary(), folder) as broker:
    broker.kill()
    broker.start()
"""

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestration.embedded.server import find_server
from tests.support.waiting import NeverHappened, until

REDIS7 = Path("/usr/bin/redis-server")
ANSWERS_WITHIN_S = 15
ENDS_WITHIN_S = 15
DEFAULTS = {
    "appendonly": "yes",
    # What was acknowledged is kept over a SIGKILL: "everysec" may hold a write back while the disk is busy.
    "appendfsync": "always",
    "save": "",
    "maxmemory-policy": "noeviction",
}


@dataclass(frozen=True)
class Kind:
    """A kind of server, by the way to find its binary."""

    name: str
    find: Callable[[], Path | None]

    def binary(self) -> Path:
        """Its path; skips the test where it is not installed, but fails in continuous integration (`CI` set)."""
        found = self.find()
        if found is None:
            why = f"no {self.name} server is installed here"
            (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
        assert found is not None
        return found


KINDS = {
    "valkey": Kind("valkey", find_server),
    "redis7": Kind("redis7", lambda: REDIS7 if REDIS7.exists() else None),
}


class Broker:
    """One server and its data, which outlive each other: it may be started again after it has ended.

    Listens on a Unix socket in `folder`, or on `port` of the loopback interface where one is given. Further keywords
    are the server's own settings, with underscores for dashes.
    """

    def __init__(self, binary: Path, folder: Path, *, port: int = 0, **settings: object) -> None:
        self.binary = binary
        self.folder = folder
        self.port = port
        self.settings = DEFAULTS | {name.replace("_", "-"): str(value) for name, value in settings.items()}
        self.log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As Celery takes it."""
        return f"redis://127.0.0.1:{self.port}/0" if self.port else f"redis+socket://{self.socket}?virtual_host=0"

    @property
    def socket(self) -> Path:
        return self.folder / "s"

    def client(self) -> redis.Redis:
        """A client that tries once. Close it."""
        once = {"socket_timeout": 5, "retry": Retry(NoBackoff(), 0), "decode_responses": True}
        if self.port:
            return redis.Redis(port=self.port, **once)
        return redis.Redis(unix_socket_path=str(self.socket), **once)

    # life and death

    def start(self) -> Self:
        """Run the server on the data there is; returns once it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            until(self._answers, within_s=ANSWERS_WITHIN_S, what=f"{self.binary.name} to answer")
        except NeverHappened as error:
            raise NeverHappened(f"{error}\n{self.log.read_text(errors='replace')}") from None
        return self

    def terminate(self) -> None:
        """SIGTERM: the server ends in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: the server keeps what it has acknowledged, and nothing else."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nobody answers."""
        self._running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._running.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        if self._process is not None:
            self.kill()

    # what its operator may do to it

    def run(self, *command: object) -> object:
        """Run one command."""
        with self.client() as client:
            return client.execute_command(*command)

    def disconnect_everyone(self) -> None:
        """Close every connection, those of publishers, of consumers and of remote control."""
        with self.client() as client:
            for kind in ("normal", "pubsub"):
                client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")

    def streams(self) -> dict[str, tuple[int, int]]:
        """What its streams hold, by key: entries, and entries that were delivered and not acknowledged."""
        with self.client() as client:
            return {key: _contents(client, key) for key in client.scan_iter(_type="STREAM", count=1000)}

    def delete_streams(self) -> None:
        """Delete every stream, and with it its consumer group."""
        with self.client() as client:
            for key in client.scan_iter(_type="STREAM", count=1000):
                client.delete(key)

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the broker does not run"
        return self._process

    def _command(self) -> list[str]:
        where = {"dir": str(self.folder), "port": str(self.port), "bind": "127.0.0.1"}
        options = where | self.settings | ({} if self.port else {"unixsocket": str(self.socket)})
        return [str(self.binary), *(word for name, value in options.items() for word in (f"--{name}", value))]

    def _answers(self) -> bool:
        assert self._running.poll() is None, "the server ended at once"
        with suppress(redis.RedisError), self.client() as client:
            return bool(client.ping())
        return False

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._running, None
        process.send_signal(number)
        process.wait(ENDS_WITHIN_S)


def _contents(client: redis.Redis, key: str) -> tuple[int, int]:
    groups = client.xinfo_groups(key)
    return client.xlen(key), sum(group["pending"] for group in groups)
