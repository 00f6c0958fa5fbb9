"""A master with a replica, and three sentinels that watch them.

with Watched(binary, folder) as watched:
    watched.master.kill()
    new = watched.await_other_master()
"""

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

import redis

from tests.support.brokers import Broker
from tests.support.ports import free_port
from tests.support.waiting import until

NAME = "mainstream"
DOWN_AFTER_MS = 500
FAILOVER_WITHIN_S = 30
SYNC_WITHIN_S = 15


class Sentinel(Broker):
    """One sentinel. Knows the replica and the other sentinels once the master has told it."""

    def __init__(self, binary: Path, folder: Path, master_port: int) -> None:
        super().__init__(binary, folder, port=free_port())
        folder.mkdir()
        self._config = folder / "sentinel.conf"  # which it rewrites
        self._config.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor {NAME} 127.0.0.1 {master_port} 2\n"
            f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {NAME} 3000\n"
        )

    def _command(self) -> list[str]:
        return [str(self.binary), str(self._config), "--sentinel"]

    def facts(self) -> dict[str, object]:
        """What it thinks of the master."""
        with self.client() as client:
            return dict(client.sentinel_master(NAME))

    def master_port(self) -> int:
        return int(self.facts()["port"])


class Watched:
    """Everything, started and acquainted."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self.master = _data(binary, folder / "master")
        self.replica = _data(binary, folder / "replica")
        self.sentinels = [Sentinel(binary, folder / f"sentinel-{n}", self.master.port) for n in range(3)]
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"sentinel://{hosts}/0?master_name={NAME}"

    def __enter__(self) -> Self:
        for server in (self.master, self.replica):
            self._stack.enter_context(server)
        self.replica.run("REPLICAOF", "127.0.0.1", self.master.port)
        until(self._is_synced, within_s=SYNC_WITHIN_S, what="the replica to follow")
        for sentinel in self.sentinels:
            self._stack.enter_context(sentinel)
        until(self._are_acquainted, within_s=SYNC_WITHIN_S, what="the sentinels to know each other and the replica")
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def _is_synced(self) -> bool:
        with self.replica.client() as client:
            return client.info("replication")["master_link_status"] == "up"

    def _are_acquainted(self) -> bool:
        facts = [sentinel.facts() for sentinel in self.sentinels]
        return all(fact["num-slaves"] == 1 and fact["num-other-sentinels"] == 2 for fact in facts)

    def await_other_master(self) -> Broker:
        """Return the replica once all sentinels name it as the master and it takes writes."""
        until(self._replica_leads, within_s=FAILOVER_WITHIN_S, what="the sentinels to promote the replica")
        return self.replica

    def _replica_leads(self) -> bool:
        # Whoever is promoted is told to close its connections.
        with suppress(redis.ConnectionError), self.replica.client() as client:
            leads = client.info("replication")["role"] == "master"
            return leads and all(sentinel.master_port() == self.replica.port for sentinel in self.sentinels)
        return False


def _data(binary: Path, folder: Path) -> Broker:
    folder.mkdir()
    return Broker(binary, folder, port=free_port(), appendonly="no", repl_diskless_sync_delay=0)
