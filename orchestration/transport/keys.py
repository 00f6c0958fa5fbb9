"""The names of all keys in Redis, and of one delivery.

All keys of a queue share the hash tag `{queue}`, so that a cluster keeps them on one node.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

GROUP = "workers"
"""The one consumer group of every stream."""


@dataclass(frozen=True, slots=True)
class QueueKeys:
    """Where one queue lives.

    >>> keys = QueueKeys("fetch", (0, 3))
    >>> keys.streams
    ('{fetch}:redelivery', '{fetch}:lane:0', '{fetch}:lane:3')
    >>> keys.for_turn
    ('{fetch}:delayed', '{fetch}:redelivery', '{fetch}:lane:0', '{fetch}:lane:3')
    """

    queue: str
    steps: tuple[int, ...]
    """The lowest priority number of each lane, most urgent first."""
    prefix: str = ""
    """Of all keys; kombu's `global_keyprefix`."""

    def _key(self, name: str) -> str:
        return f"{self.prefix}{{{self.queue}}}:{name}"

    @property
    def delayed(self) -> str:
        """Sorted set of messages that are not due, by the time they are, in ms of the server's clock."""
        return self._key("delayed")

    @property
    def dead(self) -> str:
        """Stream of messages whose deliveries failed too often."""
        return self._key("dead")

    @property
    def redelivery(self) -> str:
        """Stream of messages that were delivered before; read first."""
        return self._key("redelivery")

    @property
    def lanes(self) -> tuple[str, ...]:
        """One stream per lane, most urgent first."""
        return tuple(self._key(f"lane:{step}") for step in self.steps)

    @property
    def streams(self) -> tuple[str, ...]:
        """All streams that are read, in reading order."""
        return (self.redelivery, *self.lanes)

    @property
    def for_turn(self) -> tuple[str, ...]:
        """The keys as turn.lua and purge.lua take them."""
        return (self.delayed, *self.streams)

    @property
    def for_recovery(self) -> tuple[str, ...]:
        """The keys as recover.lua takes them."""
        return (self.dead, *self.streams)

    @property
    def all(self) -> tuple[str, ...]:
        """Everything a queue consists of."""
        return (self.delayed, self.dead, *self.streams)

    def marker(self, publisher: str) -> str:
        """Holds the sequence number of the last message that this publisher appended; expires."""
        return self._key(f"pub:{publisher}")

    def place_of(self, priority: int) -> int:
        """Which lane takes this priority, from 1.

        >>> [QueueKeys("q", (0, 3, 6)).place_of(priority) for priority in (0, 2, 3, 9)]
        [1, 1, 2, 3]
        """
        return max(1, sum(step <= priority for step in self.steps))


@dataclass(frozen=True, slots=True)
class FleetKeys:
    """The keys that belong to no queue."""

    prefix: str = ""

    @property
    def alive(self) -> str:
        """Prefix of the heartbeats; the rest is the consumer."""
        return f"{self.prefix}streams:alive:"

    @property
    def scanner(self) -> str:
        """Which consumer looks for the dead."""
        return f"{self.prefix}streams:scanner"

    @property
    def incarnation(self) -> str:
        """A marker that vanishes with the server's memory."""
        return f"{self.prefix}streams:incarnation"

    @property
    def queues(self) -> str:
        """Set of the queues that were ever consumed."""
        return f"{self.prefix}streams:queues"


class Tag(NamedTuple):
    """A delivery: which entry of which stream. Outlives the connection it came over.

    >>> tag = Tag("1700000000000-0", 2, "fetch")
    >>> str(tag)
    '1700000000000-0/2/fetch'
    >>> Tag.parse(str(tag)) == tag
    True
    >>> Tag.parse("f81d4fae-7dec-11d0-a765-00a0c91e6bf6") is None
    True
    """

    entry_id: str
    place: int
    """Of the stream among the queue's: 0 is redelivery, then the lanes."""
    queue: str

    def __str__(self) -> str:
        return f"{self.entry_id}/{self.place}/{self.queue}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read a delivery tag; None when it is not one of ours."""
        entry_id, _, rest = text.partition("/")
        place, _, queue = rest.partition("/")
        return cls(entry_id, int(place), queue) if place.isdecimal() else None


def turn_keys(queues: Sequence[QueueKeys]) -> list[str]:
    """The keys of all queues for turn.lua."""
    return [key for queue in queues for key in queue.for_turn]
