"""What this process holds: deliveries it has not settled, and settlements the server has not heard of.

Touched by the event loop, by pool threads, by the lease's thread and by the garbage collector in any of them, which
may interrupt a thread that holds a lock: so there is none, only single operations on dicts and deques.
"""

import weakref
from collections import deque
from collections.abc import Iterable
from functools import partial
from typing import Any


class Ledger:
    """Deliveries by their tag.

    A delivery belongs to the process, not to the connection it came over: a task that outlives its connection still
    acknowledges. Messages are held by weak references: one that Celery dropped without settling it, as it does with
    what it had not started when a connection broke, is noticed when it is collected, and given back.
    """

    def __init__(self) -> None:
        self._held: dict[str, weakref.ref[Any]] = {}
        self._acks: deque[str] = deque()
        self._dropped: deque[str] = deque()
        self._failed: deque[str] = deque()
        self._alien: deque[str] = deque()

    def __len__(self) -> int:
        """How many deliveries are not settled."""
        return len(self._held)

    def __contains__(self, tag: str) -> bool:
        return tag in self._held or any(tag in tags for tags in (self._acks, self._dropped, self._failed, self._alien))

    @property
    def has_returns(self) -> bool:
        """Whether there is something to give back or to set aside."""
        return bool(self._dropped or self._failed or self._alien)

    def hold(self, tag: str, message: object) -> None:
        """Note a delivery."""
        self._held[tag] = weakref.ref(message, partial(self._collected, tag))

    def _collected(self, tag: str, _reference: object) -> None:
        if self._held.pop(tag, None) is not None:
            self._dropped.append(tag)

    def ack(self, tag: str) -> None:
        """The delivery is done with."""
        self._held.pop(tag, None)
        self._acks.append(tag)

    def fail(self, tag: str) -> None:
        """The delivery failed and the message shall be delivered again."""
        self._held.pop(tag, None)
        self._failed.append(tag)

    def set_aside(self, tag: str) -> None:
        """What was delivered is no message, and can never be."""
        self._alien.append(tag)

    def drop_all(self) -> None:
        """Nothing that is held will be settled: the process ends."""
        for tag in list(self._held):
            if self._held.pop(tag, None) is not None:
                self._dropped.append(tag)

    def take_acks(self) -> list[str]:
        """Acknowledgements to send; to be put back when it is not certain that they arrived."""
        return _drain(self._acks)

    def take_dropped(self) -> list[str]:
        """Deliveries to give back that nobody worked on."""
        return _drain(self._dropped)

    def take_failed(self) -> list[str]:
        """Deliveries to give back that failed."""
        return _drain(self._failed)

    def take_alien(self) -> list[str]:
        """Deliveries to set aside."""
        return _drain(self._alien)

    def put_back_acks(self, tags: Iterable[str]) -> None:
        """These did not arrive, or perhaps not."""
        self._acks.extend(tags)

    def put_back_dropped(self, tags: Iterable[str]) -> None:
        """These did not arrive, or perhaps not."""
        self._dropped.extend(tags)

    def put_back_failed(self, tags: Iterable[str]) -> None:
        """These did not arrive, or perhaps not."""
        self._failed.extend(tags)

    def put_back_alien(self, tags: Iterable[str]) -> None:
        """These did not arrive, or perhaps not."""
        self._alien.extend(tags)


def _drain(tags: deque[str]) -> list[str]:
    drained = []
    while tags:
        try:
            drained.append(tags.popleft())
        except IndexError:  # another thread was faster
            break
    return drained
