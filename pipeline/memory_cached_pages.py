"""The index of stored pages in memory."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from pipeline.cached_pages import Flight, FlightState, PageKey, StoredPage
from pipeline.memory_store import MemoryStore
from stages.contract import Clock


@dataclass(frozen=True, slots=True)
class _Flown:
    holder: str | None
    """None while nobody has to wait."""
    since_s: float
    until_s: float


class MemoryCachedPages(MemoryStore):
    """Copies in a dictionary."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._pages: dict[PageKey, StoredPage] = {}
        self._flights: dict[PageKey, _Flown] = {}

    def page(self, key: PageKey) -> StoredPage | None:
        """The copy that is kept of a page."""
        with self._lock:
            return self._pages.get(key)

    def keep_page(self, key: PageKey, page: StoredPage) -> str | None:
        """Keep a copy instead of the one before."""
        with self._lock:
            before, self._pages[key] = self._pages.get(key), page
            return None if before is None else before.id

    def drop_page(self, key: PageKey) -> str | None:
        """Keep no copy of a page."""
        with self._lock:
            before = self._pages.pop(key, None)
            return None if before is None else before.id

    def confirm_page(self, key: PageKey, page: StoredPage) -> None:
        """Keep what a host said of a copy when it confirmed it."""
        with self._lock:
            kept = self._pages.get(key)
            if kept is not None and kept.id == page.id:
                self._pages[key] = page

    def lead_flight(self, key: PageKey, holder: str, *, lease_s: float) -> Flight:
        """Begin to fetch a page, or go on."""
        with self._lock:
            now_s, known = self._now_s(), self._flights.get(key)
            if known is None or known.until_s < now_s or known.holder == holder:
                since_s = known.since_s if known is not None and known.holder == holder else now_s
                self._flights[key] = _Flown(holder, since_s, now_s + lease_s)
                return Flight(FlightState.LEADS)
            return self.flight(key)

    def flight(self, key: PageKey) -> Flight:
        """Whether one may fetch a page."""
        with self._lock:
            now_s, known = self._now_s(), self._flights.get(key)
            if known is None or known.holder is None or known.until_s < now_s:
                return Flight(FlightState.FREE)
            return Flight(FlightState.AWAITED, now_s - known.since_s)

    def end_flight(self, key: PageKey, holder: str, *, free_s: float = 0.0) -> None:
        """Say that the fetch is over."""
        with self._lock:
            known = self._flights.get(key)
            if known is None or known.holder != holder:
                return
            del self._flights[key]
            if free_s:
                self._flights[key] = _Flown(None, self._now_s(), self._now_s() + free_s)

    def forget_pages(self, *, before: datetime, limit: int) -> list[tuple[str, str]]:
        """Forget copies that were received before."""
        return self._forget(lambda page: page.received_at < before, limit)

    def crowd_out_pages(self, *, max_bytes: int, limit: int) -> list[tuple[str, str]]:
        """Forget the oldest copies of each tenant whose copies are larger in sum."""
        with self._lock:
            crowded: set[str] = set()
            for tenant_id in {key.tenant_id for key in self._pages}:
                total = 0
                for page in self._newest_of(tenant_id):
                    total += page.body.size
                    if total > max_bytes:
                        crowded.add(page.id)
            return self._forget(lambda page: page.id in crowded, limit)

    def forget_flights(self) -> int:
        """Erase what is left of fetches that are over."""
        with self._lock:
            over = [key for key, known in self._flights.items() if known.until_s < self._now_s()]
            for key in over:
                del self._flights[key]
            return len(over)

    def known_pages(self, ids: Collection[str]) -> set[str]:
        """Which of these are ids of copies."""
        with self._lock:
            return {page.id for page in self._pages.values()} & set(ids)

    def _newest_of(self, tenant_id: str) -> list[StoredPage]:
        pages = [page for key, page in self._pages.items() if key.tenant_id == tenant_id]
        return sorted(pages, key=lambda page: (page.received_at, page.id), reverse=True)

    def _forget(self, is_meant: Callable[[StoredPage], bool], limit: int) -> list[tuple[str, str]]:
        """The oldest first."""
        with self._lock:
            oldest = sorted(self._pages.items(), key=lambda item: (item[1].received_at, item[1].id))
            found = [(key, page) for key, page in oldest if is_meant(page)][:limit]
            for key, _ in found:
                del self._pages[key]
            return [(key.tenant_id, page.id) for key, page in found]
