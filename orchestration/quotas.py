"""Quotas: what a tenant may use, as this process knows it, and how fast it may ask."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from threading import Lock

import limits.errors
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import SlidingWindowCounterRateLimiter

from orchestration.transport.connections import make_pool
from orchestration.transport.urls import read_url
from pipeline.tenants import Quotas, TenantRecords
from stages.contract import Clock

log = logging.getLogger(__name__)

KNOWN_FOR_S = 5.0
"""How long a process relies on what it read of a tenant; so long may a quota that was changed go on."""
WINDOW_S = 60
PATIENCE_S = 0.1
"""For one answer of Redis; somebody waits for it."""
AWAY_FOR_S = 5.0
"""How long Redis is not asked after it did not answer."""
NAMESPACE = "penstock:requests"


class QuotaBook:
    """What tenants may use: what was set for them, over the settings. Kept for a while, as it is asked for often."""

    def __init__(self, records: TenantRecords, clock: Clock, defaults: Quotas) -> None:
        self._records = records
        self._clock = clock
        self._defaults = defaults
        self._known: dict[str, tuple[Quotas, float]] = {}
        """By tenant, of which there are as many as have keys."""

    def known(self, tenant_id: str) -> Quotas | None:
        """What it may use, where that was read lately; without asking the records."""
        known = self._known.get(tenant_id)
        return known[0] if known is not None and self._clock.monotonic() - known[1] < KNOWN_FOR_S else None

    def of(self, tenant_id: str) -> Quotas:
        """What it may use. Raises `RecordsUnavailable`."""
        known = self.known(tenant_id)
        if known is not None:
            return known
        read_at_s = self._clock.monotonic()
        tenant = self._records.tenant(tenant_id)
        quotas = self._defaults if tenant is None else tenant.quotas_over(self._defaults)
        self._known[tenant_id] = quotas, read_at_s
        return quotas


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a tenant stands."""

    is_over: bool
    limit: int
    remaining: int
    reset_s: int
    """Until the oldest requests count no more."""


class RequestCounter:
    """Counts requests by tenant, over a minute that slides: in Redis, for all processes together.

    While Redis is away each process counts for itself, and so allows as many. To refuse everybody would make an outage
    of Redis one of the API, which it is not; to refuse nobody would leave the door open.
    """

    def __init__(self, shared: Callable[[], Storage] | None, clock: Clock) -> None:
        """`shared` makes the storage in Redis, at its first use; None where there is no Redis."""
        self._make_shared = shared
        self._clock = clock
        self._local = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared: SlidingWindowCounterRateLimiter | None = None
        self._away_until_s = 0.0
        self._lock = Lock()

    def count(self, tenant_id: str, per_minute: int) -> Standing:
        """Count a request, and say where the tenant stands with it."""
        shared = self._reachable()
        if shared is not None:
            try:
                return _counted(shared, tenant_id, per_minute)
            except limits.errors.StorageError as error:
                self._away_until_s = self._clock.monotonic() + AWAY_FOR_S
                log.warning("each process counts requests for itself: %s", error)
        return _counted(self._local, tenant_id, per_minute)

    def _reachable(self) -> SlidingWindowCounterRateLimiter | None:
        if self._make_shared is None or self._clock.monotonic() < self._away_until_s:
            return None
        with self._lock:
            if self._shared is None:
                self._shared = SlidingWindowCounterRateLimiter(self._make_shared())
            return self._shared


def _counted(limiter: SlidingWindowCounterRateLimiter, tenant_id: str, per_minute: int) -> Standing:
    # The number is part of the key: a quota that is changed counts anew.
    item = RateLimitItemPerMinute(per_minute, namespace=NAMESPACE)
    is_within = limiter.hit(item, tenant_id)
    reset_at_s, remaining = limiter.get_window_stats(item, tenant_id)
    # Told by the wall clock, which the library reads itself.
    reset_s = min(WINDOW_S, max(1, ceil(reset_at_s - time.time())))
    return Standing(not is_within, per_minute, max(0, remaining), reset_s)


def counter_at(url: str, clock: Clock) -> RequestCounter:
    """Counts at a broker's URL; in this process where the broker is not Redis."""
    try:
        target = read_url(url)
    except ValueError:
        return RequestCounter(None, clock)
    pool = make_pool(target, {}, timeout_s=PATIENCE_S)
    return RequestCounter(lambda: RedisStorage("redis://", connection_pool=pool, wrap_exceptions=True), clock)
