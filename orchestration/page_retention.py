"""Letting go of copies of pages: those that are too old, and the oldest where a tenant has too many.

The row goes first, as with jobs. An object that a crash leaves behind is found as an orphan.
"""

import logging
from collections.abc import Iterable
from datetime import timedelta

from pipeline.cached_pages import CachedPages
from pipeline.errors import PayloadsUnavailable
from pipeline.ports import Payloads
from stages.contract import Clock

log = logging.getLogger(__name__)

PAGES_PER_TURN = 200
"""The keeper has a turn a second."""
BETWEEN_WEIGHINGS_S = 60.0
"""All copies are added up for one."""


class PageRetirement:
    """What the keeper does about copies of pages."""

    def __init__(self, index: CachedPages, payloads: Payloads, clock: Clock, *, kept_s: float, max_bytes: int) -> None:
        """A copy is kept for `kept_s`, and of each tenant's no more than `max_bytes` in sum."""
        self._index = index
        self._payloads = payloads
        self._clock = clock
        self._kept_s = kept_s
        self._max_bytes = max_bytes
        self._weighs_at = clock.monotonic()

    def turn(self) -> int:
        """Let go of some; returns how many. Raises `RecordsUnavailable`."""
        before = self._clock.now() - timedelta(seconds=self._kept_s)
        gone = self._erased(self._index.forget_pages(before=before, limit=PAGES_PER_TURN))
        if self._clock.monotonic() < self._weighs_at:
            return gone
        beyond = self._index.crowd_out_pages(max_bytes=self._max_bytes, limit=PAGES_PER_TURN)
        if len(beyond) < PAGES_PER_TURN:
            self._weighs_at = self._clock.monotonic() + BETWEEN_WEIGHINGS_S
        return gone + self._erased(beyond) + self._index.forget_flights()

    def _erased(self, copies: Iterable[tuple[str, str]]) -> int:
        count = 0
        for tenant_id, page_id in copies:
            count += 1
            try:
                self._payloads.delete_job(tenant_id, page_id)
            except PayloadsUnavailable as error:
                log.warning("the object of a copy is left to be found as an orphan: %s", error)
        return count
