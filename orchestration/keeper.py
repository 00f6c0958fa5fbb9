"""The housekeeper: launches what has no message, takes back what lost its worker, ends what is overdue.

Every step is a compare-and-set in the records, so two keepers at once publish nothing twice.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from celery import Celery

from orchestration.launch import launch
from pipeline.errors import BrokerUnavailable, MachineryFailed
from pipeline.job import Suspect
from pipeline.ports import Records
from stages.contract import Clock

log = logging.getLogger(__name__)

TICK_S = 1.0
BATCH = 200
"""Pieces of work looked at in one tick."""
IN_LINE_PATIENCE_S = 900.0
"""While a queue holds messages, a stage with no attempt is most likely waiting in line, so it is given this long."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What one tick did."""

    expired: int = 0
    reclaimed: int = 0
    relaunched: int = 0


class Keeper:
    """Keeps the promise that what was accepted ends."""

    def __init__(
        self,
        records: Records,
        app: Celery,
        clock: Clock,
        *,
        in_line: Callable[[], Collection[str]],
        lease_s: float,
        relaunch_after_s: float,
    ) -> None:
        """`in_line` names the stages whose queues hold messages that no worker has taken yet."""
        self._records = records
        self._in_line = in_line
        self._app = app
        self._clock = clock
        self._lease_s = lease_s
        self._relaunch_after_s = relaunch_after_s
        self._reclaim_from = clock.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Tick once a second until told to stop."""
        while not stop.wait(TICK_S):
            self._tick_safely()

    def tick(self) -> Kept:
        """Look at the records once. Raises `MachineryFailed` when the database or the broker is down."""
        expired = self._records.expire(at=self._clock.now(), limit=BATCH)
        reclaimed = self._launch(self._reclaimed())
        return Kept(expired=expired, reclaimed=reclaimed, relaunched=self._launch(self._unstarted()))

    def _tick_safely(self) -> None:
        try:
            kept = self.tick()
        except MachineryFailed as error:
            # After an outage workers need time to renew: what they still run must not look abandoned.
            self._reclaim_from = self._clock.monotonic() + self._lease_s
            log.warning("waiting: %s", error)
        except Exception:
            log.exception("keeper tick failed")
        else:
            if kept != Kept():
                log.info("kept: %s", kept)

    def _reclaimed(self) -> Iterable[Suspect]:
        if self._clock.monotonic() < self._reclaim_from:
            return
        for suspect in self._records.lapsed(limit=BATCH):
            if self._records.reclaim(suspect, at=self._clock.now()):
                yield suspect

    def _unstarted(self) -> Iterable[Suspect]:
        if not self._records.unstarted(older_than_s=self._relaunch_after_s, limit=1):
            return
        in_line = self._in_line()
        soon = self._records.unstarted(older_than_s=self._relaunch_after_s, except_stages=in_line, limit=BATCH)
        late = self._records.unstarted(older_than_s=IN_LINE_PATIENCE_S, limit=BATCH) if in_line else ()
        for suspect in (*soon, *late):
            if self._records.relaunch(suspect):
                yield suspect

    def _launch(self, suspects: Iterable[Suspect]) -> int:
        count = 0
        for suspect in suspects:
            try:
                launch(self._app, suspect.key, suspect.stages, suspect.lane, number=suspect.launches + 1)
            except BrokerUnavailable:
                self._records.unlaunch(suspect.key)
                raise
            count += 1
        return count
