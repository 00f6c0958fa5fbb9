"""What a server executes, and for which part of a job; told by its own `MONITOR`.

Only for jobs that run one at a time: then whatever no queue is named in belongs to the stage that was published last.
"""

import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from pathlib import Path
from queue import Queue
from typing import NamedTuple

import redis

from orchestration.streams import ONCE
from orchestration.streams.announcer import ANNOUNCE
from orchestration.transport.scripts import BEAT, PUBLISH, RECOVER, TURN

ACCEPT = "accept"
BACKGROUND = ""
"""What is done without jobs as well: leases, the keeper, looking in vain."""
SENT = "sent"
"""By clients."""
EXECUTED = "executed"
"""What scripts call is in this, too."""
CREDIT, FIRST_ACK = 2, 9
"""Among the arguments of a turn."""
LOOK, WAIT = "look", "wait"
ANSWERS_WITHIN_S = 30

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')
_QUEUE = re.compile(r"\{(\w+)\}:(?:redelivery|lane|pub|delayed)")
_ANNOUNCE = sha1(ANNOUNCE.encode()).hexdigest()
_TIMED_SCRIPTS = {BEAT.sha, RECOVER.sha}
_TIMED = {("HELLO",), ("CLIENT", "SETINFO"), ("PING",), ("SCRIPT", "LOAD"), ("GET", "streams:incarnation")}
"""Connecting, which the keeper does in every tick, its question whether the server lost its memory, and what a server
is told once."""


class Item(NamedTuple):
    """What is counted."""

    part: str
    """`accept`, a stage, or `BACKGROUND`."""
    name: str
    what: str


class Monitor:
    """Counts from now on. `first` is the stage that jobs begin with."""

    def __init__(self, client: redis.Redis, first: str) -> None:
        self.settled = 0
        """Messages acknowledged so far."""
        self._client = client
        self._first = first
        self._counted = Counter[Item]()
        self._marks = Queue[Counter[Item]]()
        self._part = BACKGROUND
        self._last_published = ""
        self._read_for: dict[str, set[str]] = {}
        self._told = set[str]()

    @property
    def is_calm(self) -> bool:
        """Whether all workers that had something to do wait for more."""
        return all(read == {LOOK, WAIT} for read in self._read_for.values())

    def counted(self) -> tuple[Counter[Item], Counter[str]]:
        """All so far, and how often the server's own statistics say that each command was executed."""
        statistics = self._client.info("commandstats")
        executed = Counter[str]()
        for name, facts in statistics.items():
            executed[name.removeprefix("cmdstat_").partition("|")[0]] += int(facts["calls"])
        del executed["info"]
        return self._marks.get(timeout=ANSWERS_WITHIN_S), executed

    def take_in(self, line: str) -> None:
        """Read one line."""
        address, *words = line.split(" ", 3)[2], *_WORD.findall(line)
        name = words[0].upper()
        if name == "INFO":
            self._marks.put(self._counted.copy())
            return
        if address != "lua]":
            self._part = self._part_of(name, words)
            self._counted[Item(self._part, name.lower(), SENT)] += 1
        self._counted[Item(self._part, name.lower(), EXECUTED)] += 1

    def _part_of(self, name: str, words: list[str]) -> str:
        found = _QUEUE.search(" ".join(words))
        queue = found.group(1) if found else ""
        script = words[1] if name == "EVALSHA" else ""
        if script == PUBLISH.sha:
            return self._published(queue)
        if script == TURN.sha:
            return self._turned(queue, words[3 + int(words[2]) :])
        if script == _ANNOUNCE:
            return self._announced(set(words[4 : 3 + int(words[2])]) - {ONCE})
        if name == "XREADGROUP":
            return self._reading(queue, WAIT)
        is_timed = script in _TIMED_SCRIPTS or any(tuple(words[: len(timed)]) == timed for timed in _TIMED)
        return BACKGROUND if is_timed else self._last_published

    def _published(self, queue: str) -> str:
        by = ACCEPT if queue == self._first else self._last_published
        self._last_published = queue
        self._read_for[queue] = set()
        return by

    def _turned(self, queue: str, arguments: list[str]) -> str:
        acks, looks = len(arguments) - FIRST_ACK, arguments[CREDIT] != "0"
        self.settled += acks
        part = self._reading(queue, LOOK) if looks else queue
        return queue if acks else part

    def _announced(self, once: set[str]) -> str:
        """Whoever works tells something new; the keeper, again, how jobs ended."""
        is_known = bool(once) and once <= self._told
        self._told |= once
        return BACKGROUND if is_known else self._last_published

    def _reading(self, queue: str, how: str) -> str:
        """A message makes its worker look once more, and wait again; what comes after is idling."""
        if how in self._read_for.get(queue, {how}):
            return BACKGROUND
        self._read_for[queue].add(how)
        return queue


@contextmanager
def monitor(server: Path, first: str) -> Iterator[Monitor]:
    """Watches the server that listens at this socket while the block runs."""
    with socket.socket(socket.AF_UNIX) as connection, redis.Redis(unix_socket_path=str(server)) as client:
        client.ping()
        watching = Monitor(client, first)
        connection.connect(str(server))
        connection.sendall(b"MONITOR\r\n")
        lines = connection.makefile(encoding="utf-8", errors="replace")
        lines.readline()
        reader = threading.Thread(target=lambda: [watching.take_in(line) for line in lines])
        reader.start()
        try:
            yield watching
        finally:
            connection.shutdown(socket.SHUT_RDWR)
            reader.join()
