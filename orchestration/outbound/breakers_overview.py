"""The breakers that all workers share, as operators see and handle them.

What is known of a dependency expires, so what works and has never failed is not among them. Those that a process keeps
to itself while Redis does not answer are not, either.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import quote, unquote

from redis import Redis
from redis.exceptions import RedisError

from orchestration.outbound.breakers_shared import KEPT_MS, PREFIX, key_of
from orchestration.transport.connections import make_pool
from orchestration.transport.urls import read_url
from pipeline.errors import BreakerNotFound, BrokerUnavailable

PARTS = ("failures", "open", "trial")
KEYS_AT_ONCE = 1000
PATIENCE_S = 0.4
"""For connecting, for each answer, and for all sentinels: somebody waits."""


class BreakerState(StrEnum):
    """What becomes of those who call."""

    CLOSED = "closed"
    """They go ahead; some of those before have failed."""
    OPEN = "open"
    """They wait."""
    HALF_OPEN = "half_open"
    """One of them tries, the others wait."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is known of one dependency."""

    dependency: str
    state: BreakerState
    failures: int
    """In a row, until it opened."""
    opened_at: datetime | None = None
    """Since when it is not closed."""
    retry_at: datetime | None = None
    """When one call may try again; None unless it is open."""


def breaker_id(dependency: str) -> str:
    """A dependency's name as part of a path.

    >>> breaker_id("origin:example.org:443")
    'origin~3Aexample.org~3A443'
    >>> dependency_of(breaker_id("a~b/c d")) == "a~b/c d"
    True
    """
    return quote(dependency, safe="").replace("~", "%7E").replace("%", "~")


def dependency_of(breaker: str) -> str:
    """The name again, which may also be given as it is."""
    return unquote(breaker.replace("~", "%"))


class BreakerDesk:
    """Where operators ask.

    Every method raises `BrokerUnavailable` when Redis does not answer.
    """

    def __init__(self, url: str) -> None:
        target = read_url(url)
        timeout_s = PATIENCE_S / (1 + len(target.sentinels))
        options = {"socket_connect_timeout": timeout_s, "protocol": 2}
        self._redis: Any = Redis(connection_pool=make_pool(target, options, timeout_s=timeout_s))

    def breakers(self) -> list[Breaker]:
        """All that is known, by dependency."""
        with _answering():
            found = self._redis.scan_iter(f"{PREFIX}*", count=KEYS_AT_ONCE)
            known = self._read(sorted({_dependency_in(key.decode()) for key in found}))
        # Others have expired, or were closed, since they were found.
        return [breaker for breaker in known if breaker.opened_at or breaker.failures]

    def open(self, dependency: str, pause_s: float) -> Breaker:
        """Have everybody wait for so long, from now on; then one call tries."""
        with _answering():
            seconds, microseconds = self._redis.time()
            since_ms = seconds * 1000 + microseconds // 1000
            with self._redis.pipeline() as together:
                together.set(key_of(dependency, "open"), since_ms, px=round(pause_s * 1000) + KEPT_MS)
                together.delete(key_of(dependency, "trial"))
                together.execute()
        return self._known(dependency)

    def reset(self, dependency: str) -> Breaker:
        """Close it and forget its failures. Raises `BreakerNotFound` when nothing is known of it."""
        with _answering():
            if not self._redis.delete(*(key_of(dependency, part) for part in PARTS)):
                raise BreakerNotFound(dependency)
        return self._known(dependency)

    def _known(self, dependency: str) -> Breaker:
        with _answering():
            return self._read([dependency])[0]

    def _read(self, dependencies: Sequence[str]) -> list[Breaker]:
        with self._redis.pipeline(transaction=False) as together:
            together.time()
            for dependency in dependencies:
                together.get(key_of(dependency, "failures"))
                together.get(key_of(dependency, "open"))
                together.pttl(key_of(dependency, "open"))
            (seconds, microseconds), *facts = together.execute()
        now = datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds)
        rows = zip(dependencies, facts[::3], facts[1::3], facts[2::3], strict=True)
        return [_breaker(dependency, now, *about) for dependency, *about in rows]


def _breaker(dependency: str, now: datetime, failures: bytes | None, since_ms: bytes | None, life_ms: int) -> Breaker:
    count = int(failures or 0)
    if since_ms is None:
        return Breaker(dependency, BreakerState.CLOSED, count)
    opened_at = datetime.fromtimestamp(int(since_ms) / 1000, UTC)
    if life_ms <= KEPT_MS:
        return Breaker(dependency, BreakerState.HALF_OPEN, count, opened_at)
    return Breaker(dependency, BreakerState.OPEN, count, opened_at, now + timedelta(milliseconds=life_ms - KEPT_MS))


def _dependency_in(key: str) -> str:
    """The dependency that a key is about.

    >>> _dependency_in("penstock:breaker:{origin:[::1]:443}:open")
    'origin:[::1]:443'
    """
    return key.removeprefix(PREFIX).rpartition(":")[0][1:-1]


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise BrokerUnavailable("the broker does not answer") from error
