"""Reading a stream over as many connections as it takes: what all kinds of streams have in common."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import httpx

from api.client.core import Core, is_passing
from api.client.errors import PenstockError, UnexpectedAnswer

T = TypeVar("T")


class Stream(ABC, Generic[T]):
    """Where one reader is, and when it makes the next connection."""

    media_type: str

    def __init__(self, core: Core, over_at: float = math.inf) -> None:
        """`over_at` is when to give up, on the monotonic clock."""
        self.is_over = False
        self._core = core
        self._over_at = over_at
        self._failures = 0
        self._failing_since = 0.0

    @abstractmethod
    def request(self) -> dict[str, Any]:
        """How to connect, in the words of httpx: after what was seen last."""

    @abstractmethod
    def take(self, chunk: bytes) -> Iterator[T]:
        """What came with these bytes. Raises `PenstockError`."""

    @abstractmethod
    def closed(self) -> None:
        """The service ended the stream in order. Raises `PenstockError`."""

    def require_stream(self, answer: httpx.Response) -> None:
        """Raise `PenstockError` for an answer that is none; its body has to have been read if it is no success."""
        if not answer.is_success:
            raise self._core.error_of(answer)
        if not answer.headers.get("content-type", "").startswith(self.media_type):
            raise UnexpectedAnswer(f"{self._core.where} does not stream {self.media_type} as Penstock does")

    def pause_s(self, error: PenstockError | None = None) -> float:
        """How long to wait before the next connection, after this one has ended or failed.

        Raises `error` when it will not pass, or has not for as long as a client tries.
        """
        now_s = self._core.clock.monotonic()
        self._failing_since = now_s if self._failures == 0 else self._failing_since
        self._failures += 1
        pause_s = self._core.pause_s(self._failures, error)
        is_enough = now_s + pause_s > self._failing_since + self._core.retry_within_s
        if error is not None and (is_enough or not is_passing(error)):
            raise error
        return min(pause_s, self._over_at - now_s)
