"""Appends messages, each exactly once even where the reply to the first try was lost."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import redis.exceptions

from orchestration.transport import scripts
from orchestration.transport.envelope import Envelope, seal
from orchestration.transport.errors import BrokerFull
from orchestration.transport.keys import QueueKeys
from orchestration.transport.line import Line, Pool

MARKER_LIFE_MS = 300_000
"""How long a publication may be repeated without being appended twice; longer than any patience."""
BETWEEN_TRIES_S = 0.1
MOST_UNCERTAIN = 1000


class Publication(NamedTuple):
    """Tells the server that two tries are the same publication."""

    publisher: str
    number: int


_uncertain: dict[tuple[str, str, int], Publication] = {}
"""Publications of this process whose outcome is unknown, by queue, task and its retries: kombu and Celery publish
again over another channel, with nothing that would tell the server so."""


class Publisher:
    """Publishes for one channel, which is one thread's at a time."""

    def __init__(self, pool: Callable[[], Pool], patience_s: float) -> None:
        self._line = Line(pool)
        self._patience_s = patience_s
        self._name, self._number, self._pid = _fresh_name(), 0, os.getpid()

    def publish(self, queue: QueueKeys, payload: dict[str, Any], priority: int) -> None:
        """Append a message.

        Raises `BrokerFull` or redis-py's errors when the server does not take it within the patience.
        """
        envelope = seal(payload, datetime.now(UTC))
        identity = (queue.queue, envelope.task_id, payload["headers"].get("retries") or 0)
        publication = _uncertain.pop(identity, None) or self._next()
        try:
            self._append(queue, envelope, queue.place_of(priority), publication)
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError):
            self._remember(identity, publication)
            raise

    def _append(self, queue: QueueKeys, envelope: Envelope, place: int, publication: Publication) -> None:
        target = queue.lanes[place - 1] if envelope.delay_ms is None else queue.delayed
        delay_ms = "" if envelope.delay_ms is None else envelope.delay_ms
        keys = (queue.marker(publication.publisher), target)
        words = (
            *(publication.number, MARKER_LIFE_MS, delay_ms, place),
            *(envelope.task_id, envelope.head, envelope.body),
        )
        self._insist(lambda: self._line.run(scripts.PUBLISH, keys, words))

    def _insist(self, append: Callable[[], Any]) -> None:
        """Try once more at once, since a connection that idled may have died, and then until patience ends."""
        give_up_at = time.monotonic() + self._patience_s
        tries = 0
        while True:
            tries += 1
            try:
                append()
            except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError):
                self._line.close()
                if tries > 1 and time.monotonic() >= give_up_at:
                    raise
            except redis.exceptions.OutOfMemoryError as error:
                if time.monotonic() >= give_up_at:
                    raise BrokerFull(str(error)) from error
            else:
                return
            if tries > 1:
                time.sleep(BETWEEN_TRIES_S)

    def _next(self) -> Publication:
        if self._pid != os.getpid():
            # A forked child that went on counting would be taken for its parent repeating itself.
            self._name, self._number, self._pid = _fresh_name(), 0, os.getpid()
        self._number += 1
        return Publication(self._name, self._number)

    def _remember(self, identity: tuple[str, str, int], publication: Publication) -> None:
        """Keep the publication for the next try, and its number the last of this name."""
        self._name, self._number = _fresh_name(), 0
        if identity[1]:
            while len(_uncertain) >= MOST_UNCERTAIN:
                _uncertain.pop(next(iter(_uncertain)), None)
            _uncertain[identity] = publication

    def close(self) -> None:
        """Close the connection."""
        self._line.close()


def _fresh_name() -> str:
    return uuid.uuid4().hex[:16]
