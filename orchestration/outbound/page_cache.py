"""Copies of fetched pages, above the guarded client: one store for all workers, apart for each tenant.

A page that several jobs would take from each other is fetched by one of them; the others come back later. Whoever
fetches holds a short lease, so that one who dies keeps nobody waiting. Nothing here is needed to do a job: where the
index or the store does not answer, the page is fetched.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from secrets import token_hex
from threading import Event, Thread
from typing import TypeVar

import httpx

from orchestration.outbound.page_rules import confirmed, kept_headers, key_of, supersedes, validators_of, will_do
from pipeline.cached_pages import CachedPages, Flight, FlightState, PageKey, PageWish, StoredPage
from pipeline.errors import MachineryFailed, PayloadLost
from pipeline.ids import uuid7
from pipeline.ports import Payloads
from stages.contract import Awaited, CacheUse, Cancelled, Clock, Fetched, Http, Pages, Scope

log = logging.getLogger(__name__)

T = TypeVar("T")

LEASE_S = 6.0
"""How long the others wait for one who died while fetching."""
FREE_S = 60.0
"""How long nobody waits, after a fetch brought nothing that can be shared: each would wait for the one before it."""
MIN_WAIT_S, MAX_WAIT_S = 0.25, 5.0
MEDIA_TYPE = "application/octet-stream"


class StoredPages:
    """Implements `PageCache` over an index and a payload store.

    `variant` stands for how pages are asked for: those that are asked for in another way have copies of their own.
    """

    def __init__(
        self,
        http: Http,
        index: CachedPages,
        payloads: Payloads,
        clock: Clock,
        random: Random,
        *,
        variant: str,
        lease_s: float = LEASE_S,
    ) -> None:
        self.http = http
        self.index = index
        self.payloads = payloads
        self.clock = clock
        self.random = random
        self.variant = variant
        self.lease_s = lease_s

    def pages(self, wish: PageWish) -> Pages:
        """For one attempt."""
        return _PagesForOne(self, wish)


class _PagesForOne:
    """Implements `Pages` for a job that takes what `wish` says."""

    def __init__(self, stored: StoredPages, wish: PageWish) -> None:
        self._of = stored
        self._index = stored.index
        self._wish = wish

    def spares_host(self, url: str) -> bool:
        """Whether there is a copy that will do, or somebody to wait for."""
        key = self._key(url)
        if key is None:
            return False
        if self._has(key):
            return True
        return self._wish.can_wait and self._flight(key).state is FlightState.AWAITED

    def get(self, url: str, scope: Scope) -> Fetched:
        """A copy that will do, or what the host says now."""
        key = self._key(url)
        if key is None:
            return self._of.http.get(url, scope)
        if found := self._copy(key):
            return found
        if not self._wish.can_wait:
            return self._fetched(key, url, scope)
        with self._flying(key) as flight:
            # The one who led before may have brought it since it was looked for.
            answer = self._copy(key) or self._fetched(key, url, scope)
            flight.is_kept = self._has(key)
            return answer

    def _key(self, url: str) -> PageKey | None:
        try:
            return key_of(self._wish.tenant_id, url, self._of.variant)
        except (httpx.InvalidURL, ValueError):
            return None  # for the client to refuse

    # copies

    def _copy(self, key: PageKey) -> Fetched | None:
        for _ in range(2):
            page = self._page(key)
            if page is None or not will_do(page, self._wish, self._of.clock.now()):
                return None
            # Where the body is gone, another one may just have come in its place.
            if (body := self._body(page)) is not None:
                return _answer_of(page, body, "hit")
        return None

    def _has(self, key: PageKey) -> bool:
        page = self._page(key)
        return page is not None and will_do(page, self._wish, self._of.clock.now())

    def _page(self, key: PageKey) -> StoredPage | None:
        return _unless_away(lambda: self._index.page(key), None)

    def _body(self, page: StoredPage) -> bytes | None:
        try:
            return _unless_away(lambda: self._of.payloads.get(page.body), None)
        except PayloadLost:
            return None

    # the host

    def _fetched(self, key: PageKey, url: str, scope: Scope) -> Fetched:
        """Ask the host, with what it gave to compare with if the copy is at hand."""
        page = self._page(key)
        validators = None if page is None else validators_of(page)
        body = self._body(page) if page is not None and validators is not None else None
        if page is None or body is None:
            return self._kept(key, self._of.http.get(url, scope))
        answer = self._of.http.get(url, scope, validators)
        if answer.status != httpx.codes.NOT_MODIFIED:
            return self._kept(key, answer)
        known = confirmed(page, answer, self._of.clock.now())
        if known is None:
            return self._kept(key, self._of.http.get(url, scope))
        _unless_away(lambda: self._index.confirm_page(key, known), None)
        return _answer_of(known, body, "revalidated")

    def _kept(self, key: PageKey, answer: Fetched) -> Fetched:
        headers = kept_headers(answer)
        if headers is not None:
            _unless_away(lambda: self._keep(key, answer, headers), None)
        elif supersedes(answer):
            _unless_away(lambda: self._drop(key), None)
        return answer

    def _drop(self, key: PageKey) -> None:
        before = self._index.drop_page(key)
        if before is not None:
            self._of.payloads.delete_job(key.tenant_id, before)

    def _keep(self, key: PageKey, answer: Fetched, headers: Mapping[str, str]) -> None:
        """The object first, so that no row refers to one that is not there. A crash in between leaves an orphan."""
        now = self._of.clock.now()
        page_id = str(uuid7(now, self._of.random))
        page = StoredPage(
            id=page_id,
            url=answer.url,
            status=answer.status,
            headers=headers,
            redirects=answer.redirects,
            is_moved_for_good=answer.is_moved_for_good,
            wire_bytes=answer.wire_bytes,
            body=self._of.payloads.put(f"{key.tenant_id}/{page_id}/cache/page", answer.body, MEDIA_TYPE),
            received_at=now,
        )
        before = self._index.keep_page(key, page)
        if before is not None:
            self._of.payloads.delete_job(key.tenant_id, before)

    # one for all

    @contextmanager
    def _flying(self, key: PageKey) -> "Iterator[_Brought]":
        """Fetch for all who wait, or alone where nobody does; raises `Awaited` where another one fetches."""
        holder, brought = token_hex(8), _Brought()
        flight = self._led(key, holder)
        if flight.state is FlightState.AWAITED:
            raise Awaited("page_awaited", delay_s=self._wait_s(flight))
        try:
            with self._lease_kept(key, holder):
                yield brought
        except Cancelled:
            brought.is_kept = True  # nothing is known: the next one may lead
            raise
        finally:
            free_s = 0.0 if brought.is_kept else FREE_S
            _unless_away(lambda: self._index.end_flight(key, holder, free_s=free_s), None)

    def _flight(self, key: PageKey) -> Flight:
        return _unless_away(lambda: self._index.flight(key), Flight(FlightState.FREE))

    def _led(self, key: PageKey, holder: str) -> Flight:
        lease_s = self._of.lease_s
        return _unless_away(lambda: self._index.lead_flight(key, holder, lease_s=lease_s), Flight(FlightState.FREE))

    def _wait_s(self, flight: Flight) -> float:
        """As long again as it has taken so far, so that a slow host is not asked after all the time."""
        return self._of.random.uniform(0.75, 1.25) * min(max(flight.lasts_s, MIN_WAIT_S), MAX_WAIT_S)

    @contextmanager
    def _lease_kept(self, key: PageKey, holder: str) -> Iterator[None]:
        is_over = Event()
        renewing = Thread(target=self._renew, args=(key, holder, is_over), name="page-flight", daemon=True)
        renewing.start()
        try:
            yield
        finally:
            is_over.set()
            renewing.join()  # or it could take the lease again once it is given back

    def _renew(self, key: PageKey, holder: str, is_over: Event) -> None:
        while not is_over.wait(self._of.lease_s / 3):
            self._led(key, holder)


@dataclass
class _Brought:
    """Whether there is something now that those who waited can take."""

    is_kept: bool = False


def _answer_of(page: StoredPage, body: bytes, cache: CacheUse) -> Fetched:
    return Fetched(
        url=page.url,
        status=page.status,
        headers=page.headers,
        body=body,
        wire_bytes=page.wire_bytes,
        redirects=page.redirects,
        is_moved_for_good=page.is_moved_for_good,
        cache=cache,
        received_at=page.received_at,
    )


def _unless_away(ask: Callable[[], T], otherwise: T) -> T:
    """What the index or the store says, or something else while it does not answer."""
    try:
        return ask()
    except MachineryFailed as error:
        log.warning("pages are fetched without copies for now: %s", error)
        return otherwise
