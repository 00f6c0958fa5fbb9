"""Announces the end of runs that nobody announced: their worker died, Redis was away, or the keeper ended them."""

import logging
from datetime import datetime, timedelta

from pipeline import events
from pipeline.events import Announcer
from pipeline.ports import Records
from stages.contract import Clock

log = logging.getLogger(__name__)

EVERY_S = 3.0
GRACE = timedelta(seconds=2)
"""Left to those who ended the run to announce it themselves."""
OVERLAP = timedelta(seconds=30)
"""Looked at again each time: clocks differ, and a commit may come after a later one."""
LOOKS_BACK = timedelta(minutes=10)
"""At the first look; what was told before that is still known to have been told."""
BATCH = 500


class Completion:
    """Looks at what ended since it looked before."""

    def __init__(self, records: Records, announcer: Announcer, clock: Clock) -> None:
        self._records = records
        self._announcer = announcer
        self._clock = clock
        self._next_s = clock.monotonic()
        self._seen_until: datetime | None = None

    def turn(self) -> None:
        """Announce; costs nothing most of the times. Raises `RecordsUnavailable`."""
        if self._clock.monotonic() < self._next_s:
            return
        self._next_s = self._clock.monotonic() + EVERY_S
        until = self._clock.now() - GRACE
        since = until - LOOKS_BACK if self._seen_until is None else self._seen_until - OVERLAP
        # When Redis is away all of it is done again once it is back.
        if self._announce(since, until):
            self._seen_until = until

    def _announce(self, since: datetime, until: datetime) -> bool:
        """Whether all that ended in this time is announced."""
        last = None
        while jobs := self._records.endings(since, until, beyond=last, limit=BATCH):
            if not self._announcer.announce(*map(events.over, jobs)):
                return False
            since, last = jobs[-1].finished_at or since, jobs[-1].id
        return True
