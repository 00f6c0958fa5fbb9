"""Copies of fetched pages: what is kept of one, what a job accepts of it, and who fetches while others wait.

The index is in the records, the bodies are in the payload store. All of it may be lost at any time.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, Self

from pipeline.ids import Claim, moment_of
from pipeline.job import FIRST_RUN
from pipeline.work import Grant
from stages.contract import Fetched, Http, Pages, Scope


@dataclass(frozen=True, slots=True)
class PageKey:
    """Which page, of which tenant. No tenant is given what another one fetched."""

    tenant_id: str
    digest: str
    """64 characters that stand for the URL, and for how it is asked for."""


@dataclass(frozen=True, slots=True)
class StoredPage:
    """An answer as it is kept."""

    id: str
    """Of this very copy; its object is kept under it, as a job's is under the job's."""
    url: str
    """After redirects."""
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    redirects: tuple[str, ...]
    is_moved_for_good: bool
    wire_bytes: int
    body: Claim
    """Decompressed."""
    received_at: datetime
    """When the host sent it, or confirmed it last."""


@dataclass(frozen=True, slots=True)
class PageWish:
    """What a job accepts instead of asking the host."""

    tenant_id: str
    max_age_s: float | None = None
    """As in `Options`."""
    since: datetime | None = None
    """A copy from this moment or later will do whatever its host says: the jobs of a batch ask together."""

    @classmethod
    def of(cls, grant: Grant) -> Self:
        """Of a piece of work. Only the first run of a job is part of what its batch asked."""
        since = None
        if grant.batch_id is not None and grant.key.run == FIRST_RUN:
            asked_at = moment_of(grant.batch_id)
            since = max(asked_at, grant.not_before or asked_at)
        return cls(grant.tenant_id, grant.options.max_age_s, since)

    @property
    def can_wait(self) -> bool:
        """Whether it will most likely do what another job is fetching now."""
        return self.max_age_s != 0 and (self.since is not None or self.max_age_s is not None)


class FlightState(StrEnum):
    """Whether one may fetch a page now."""

    LEADS = "leads"
    """And the others wait."""
    FREE = "free"
    """And so may the others: what came last was not to be kept."""
    AWAITED = "awaited"
    """Another one does."""


@dataclass(frozen=True, slots=True)
class Flight:
    """Who fetches a page now."""

    state: FlightState
    lasts_s: float = 0.0
    """How long the one who leads has been at it."""


class CachedPages(Protocol):
    """The index of stored pages. Leases are kept on the record's own clock.

    Raises `RecordsUnavailable` when the database does not answer.
    """

    def page(self, key: PageKey) -> StoredPage | None:
        """The copy that is kept of a page."""

    def keep_page(self, key: PageKey, page: StoredPage) -> str | None:
        """Keep a copy instead of the one before; returns the id of that, whose object can go."""

    def drop_page(self, key: PageKey) -> str | None:
        """Keep no copy of a page; returns the id of the one that was kept, whose object can go."""

    def confirm_page(self, key: PageKey, page: StoredPage) -> None:
        """Keep what a host said of a copy when it confirmed it; nothing happens if that copy is not kept any more."""

    def lead_flight(self, key: PageKey, holder: str, *, lease_s: float) -> Flight:
        """Begin to fetch a page, or go on. Only one who leads has a lease; after it ran out another may lead."""

    def flight(self, key: PageKey) -> Flight:
        """Whether one may fetch a page: `FREE` or `AWAITED`. Changes nothing."""

    def end_flight(self, key: PageKey, holder: str, *, free_s: float = 0.0) -> None:
        """Say that the fetch is over; for `free_s` nobody has to wait for another. Only the one who leads can."""

    def forget_pages(self, *, before: datetime, limit: int) -> list[tuple[str, str]]:
        """Forget copies that were received before; returns tenants and ids, whose objects can go."""

    def crowd_out_pages(self, *, max_bytes: int, limit: int) -> list[tuple[str, str]]:
        """Forget the oldest copies of each tenant whose copies are larger in sum; returns the same."""

    def forget_flights(self) -> int:
        """Erase what is left of fetches that are over; returns how many."""

    def known_pages(self, ids: Collection[str]) -> set[str]:
        """Which of these are ids of copies of whatever tenant."""


class PageCache(Protocol):
    """Where `Pages` come from."""

    def pages(self, wish: PageWish) -> Pages:
        """For one attempt."""


class DirectPages:
    """`PageCache` and `Pages` without copies."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def pages(self, _wish: PageWish) -> Pages:
        """The same for every attempt."""
        return self

    def spares_host(self, _url: str) -> bool:
        """It has no copies."""
        return False

    def get(self, url: str, scope: Scope) -> Fetched:
        """Ask the host."""
        return self._http.get(url, scope)
