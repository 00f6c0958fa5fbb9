"""What a stretch of work costs: time, CPU of worker and server, commands."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.benchmarks.transport.rig import Server, Worker


@dataclass(frozen=True)
class Cost:
    """What happened between two moments."""

    wall_s: float
    worker_cpu_s: float
    server_cpu_s: float
    executed: Counter[str]
    """Commands by name, those that scripts call too."""


class Meter:
    """Reads the clocks and counters of a worker and the server."""

    def __init__(self, broker: Server, worker: Worker) -> None:
        self._broker = broker
        self._worker = worker
        self._first = self._read()

    def stop(self) -> Cost:
        """The cost since the meter was made."""
        *numbers, executed = (b - a for a, b in zip(self._first, self._read(), strict=True))
        return Cost(*numbers, executed - Counter({"info": 1}))

    def _read(self) -> tuple[float, float, float, Counter[str]]:
        stats = self._broker.client.info("commandstats")
        executed = Counter({name.removeprefix("cmdstat_"): int(facts["calls"]) for name, facts in stats.items()})
        return time.monotonic(), self._worker.cpu_s(), sum(self._broker.process.cpu_times()[:2]), executed


@contextmanager
def sent_commands(broker: Server) -> Iterator[Counter[str]]:
    """Counts, by name, the commands that clients send while the block runs.

    The server's own statistics count what scripts call as well; `MONITOR`, which slows it down, tells them apart.
    """
    counted = Counter[str]()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(broker.socket))
        connection.sendall(b"MONITOR\r\n")
        lines = connection.makefile("rb")
        lines.readline()
        reader = threading.Thread(target=lambda: counted.update(filter(None, map(_sent_command, lines))))
        reader.start()
        try:
            yield counted
        finally:
            connection.shutdown(socket.SHUT_RDWR)
            reader.join()


def _sent_command(line: bytes) -> str | None:
    head, name = line.decode().split('"', 2)[:2]
    return None if head.rstrip().endswith(" lua]") else name.lower()
