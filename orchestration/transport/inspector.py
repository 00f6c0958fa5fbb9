"""Looks into the broker without consuming: what is there, what died, and whether its memory was lost."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Self

from kombu.utils.json import loads

from orchestration.transport import scripts
from orchestration.transport.depth import Depth, depth_of
from orchestration.transport.envelope import Payload
from orchestration.transport.keys import GROUP, FleetKeys
from orchestration.transport.line import Line

PAGE = 500
"""Entries that one call looks at: the server does nothing else meanwhile."""


@dataclass(frozen=True, slots=True)
class Found:
    """Which of the suspected messages still exist."""

    present: frozenset[str]
    """Task ids of messages that are ready, pending or delayed."""
    complete: bool
    """Whether everything was looked at, so that what is not present does not exist."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message whose deliveries failed too often."""

    id: str
    """Of the entry."""
    task_id: str
    reason: str
    """`worker_lost`, `rejected`, or `not_a_message` of what somebody else put into a stream."""
    count: int
    """Failed deliveries."""
    head: Payload
    """The message's headers and properties; empty where none can be read."""
    body: bytes


class Inspector:
    """Questions about the broker that a kombu connection leads to; the connection has to be ours.

    Raises redis-py's errors when the server does not answer.
    """

    def __init__(self, connection: Any) -> None:
        self._channel = connection.channel()
        self._options = self._channel.options
        self._line = Line(lambda: self._channel.pool)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection up."""
        self._line.close()
        self._channel.close()

    def incarnation(self) -> str | None:
        """A marker that changes when the server lost its memory; None before the first consumer came."""
        marker = self._line.ask("GET", FleetKeys(self._options.prefix).incarnation)
        return marker.decode() if marker is not None else None

    def depth(self, queue: str) -> Depth:
        """What stands in a queue."""
        return depth_of(self._line, self._options.queue(queue))

    def oldest_s(self, queue: str) -> float | None:
        """How long the message has waited that waits longest for a consumer, in seconds; None when none does.

        Counted from when it came to its stream, so anew for one that is delivered again, or since it was due.
        """
        waiting_ms = self._line.run(scripts.OLDEST, self._options.queue(queue).for_turn, (GROUP,))
        return waiting_ms / 1000 if waiting_ms >= 0 else None

    def find(self, queue: str, task_ids: Collection[str], *, most: int = 100_000) -> Found:
        """Which of these tasks have a message in the queue; looks at no more than `most` messages."""
        keys = self._options.queue(queue)
        present: set[str] = set()
        left = most
        # In the direction in which messages move, so that none is overtaken; a retry goes back to the delayed ones.
        for key in (keys.delayed, *keys.lanes, keys.redelivery, keys.delayed):
            cursor = b"0"
            while cursor and left > 0 and len(present) < len(task_ids):
                cursor, found = self._line.run(scripts.FIND, (key,), (cursor, min(PAGE, left), *task_ids))
                present.update(task_id.decode() for task_id in found)
                left -= PAGE
            if cursor and len(present) < len(task_ids):
                return Found(frozenset(present), complete=False)
        return Found(frozenset(present), complete=True)

    def dead_letters(self, queue: str, limit: int = 100) -> list[DeadLetter]:
        """The oldest dead letters of a queue."""
        entries = self._line.ask("XRANGE", self._options.queue(queue).dead, "-", "+", "COUNT", limit)
        return [_dead_letter(entry_id, fields) for entry_id, fields in entries]

    def discard_dead_letters(self, queue: str, ids: Sequence[str]) -> int:
        """Delete dead letters that were dealt with; returns how many there were."""
        return int(self._line.ask("XDEL", self._options.queue(queue).dead, *ids)) if ids else 0


def _dead_letter(entry_id: bytes, fields: list[bytes]) -> DeadLetter:
    entry = dict(zip(fields[::2], fields[1::2], strict=True))
    return DeadLetter(
        id=entry_id.decode(),
        task_id=entry.get(b"t", b"").decode(errors="replace"),
        reason=entry[b"reason"].decode(),
        count=int(entry[b"n"]),
        head=_head(entry.get(b"h", b"")),
        body=entry.get(b"b", b""),
    )


def _head(text: bytes) -> Payload:
    try:
        head = loads(text)
    except ValueError:
        return {}
    return head if isinstance(head, dict) else {}
