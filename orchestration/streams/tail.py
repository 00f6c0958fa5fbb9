"""Follows the event stream and that of texts being written over one connection, in a thread of its own."""

import json
import logging
from collections.abc import Callable, Iterable
from sys import intern
from threading import Event, Thread
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from orchestration.streams import DELTAS, FIELD, STREAM, TENANT
from orchestration.streams.deltas import KEPT, delta_of
from orchestration.streams.window import StreamId, Told
from orchestration.transport.connections import make_pool
from orchestration.transport.urls import Target
from pipeline.deltas import Delta

log = logging.getLogger(__name__)

BLOCK_MS = 1000
ANSWER_WITHIN_S = 3.0
"""A server that is silent for so long while it should have answered is taken for gone."""
AWAY_S = 0.5
AT_ONCE = 500

Entry = tuple[bytes, dict[bytes, bytes]]


class Tail:
    """Hands on every event, in order; says so when it may have missed some. Of texts being written it may miss any."""

    def __init__(
        self,
        target: Target,
        *,
        kept: int,
        on_told: Callable[[list[Told]], None],
        on_gap: Callable[[], None],
        on_deltas: Callable[[list[Delta]], None],
    ) -> None:
        """`kept` is how many events are read at first, and after a gap. The functions are called in the thread."""
        options = {"socket_connect_timeout": ANSWER_WITHIN_S, "protocol": 2}
        pool = make_pool(target, options, timeout_s=ANSWER_WITHIN_S)
        self._redis: Any = Redis(connection_pool=pool)
        self._kept = kept
        self._on_told = on_told
        self._on_gap = on_gap
        self._on_deltas = on_deltas
        self._last = ""
        self._last_delta = "0-0"
        self._over = Event()
        self._thread = Thread(target=self._run, name="event-tail", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, within about a second."""
        self._over.set()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._follow()
            except (RedisError, OSError) as error:
                log.warning("no events for now: %.200s", error)
                self._over.wait(AWAY_S)
        self._redis.connection_pool.disconnect()

    def _follow(self) -> None:
        may_have_missed = True
        while not self._over.is_set():
            if may_have_missed and self._has_missed():
                self._load()
            entries = self._read()
            self._tell(entries)
            # While it catches up the stream may be trimmed faster than it reads.
            may_have_missed = len(entries) == AT_ONCE

    def _has_missed(self) -> bool:
        if not self._last:
            return True
        oldest = self._redis.xrange(STREAM, count=1)
        return not oldest or id_of(oldest[0][0]) > id_of(self._last.encode())

    def _load(self) -> None:
        """Begin with what the stream holds now."""
        self._on_gap()
        entries = self._redis.xrevrange(STREAM, count=self._kept)
        pieces = self._redis.xrevrange(DELTAS, count=KEPT)
        self._last = self._last_delta = "0-0"
        self._show(reversed(pieces))
        self._tell(reversed(entries))

    def _read(self) -> list[Entry]:
        """New events; texts are handed on before the events that end them."""
        places = {STREAM: self._last, DELTAS: self._last_delta}
        found: dict[bytes, list[Entry]] = dict(self._redis.xread(places, count=AT_ONCE, block=BLOCK_MS))
        self._show(found.get(DELTAS.encode(), ()))
        return found.get(STREAM.encode(), [])

    def _tell(self, entries: Iterable[Entry]) -> None:
        told = []
        for entry_id, fields in entries:
            self._last = entry_id.decode()
            told.append(told_of(entry_id, fields))
        if told:
            self._on_told(told)

    def _show(self, entries: Iterable[Entry]) -> None:
        deltas = []
        for entry_id, fields in entries:
            self._last_delta = entry_id.decode()
            deltas.append(delta_of(fields))
        if deltas:
            self._on_deltas(deltas)


def told_of(entry_id: bytes, fields: dict[bytes, bytes]) -> Told:
    """An entry as subscribers choose by it."""
    data = fields[FIELD.encode()].decode()
    event = json.loads(data)
    tenant_id = intern(fields[TENANT.encode()].decode())
    of_batch = event.get("batch_id")
    return Told(id_of(entry_id), tenant_id, event["job_id"], event["run"], intern(event["event"]), data, of_batch)


def id_of(text: bytes) -> StreamId:
    """
    >>> id_of(b"1795268330258-3")
    (1795268330258, 3)
    """
    milliseconds, _, number = text.partition(b"-")
    return int(milliseconds), int(number or 0)
