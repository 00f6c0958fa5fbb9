"""The housekeeper: launches again what has no message, takes back what lost its worker, ends what is overdue.

One keeper leads and the others stand by. Every step is a compare-and-set in the records all the same, so two that
both think they lead publish nothing twice.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from celery import Celery

from orchestration.launch import launch
from orchestration.queues import Queues
from pipeline.errors import BrokerUnavailable, MachineryFailed
from pipeline.ports import Records
from pipeline.work import Suspect
from stages.contract import Clock

log = logging.getLogger(__name__)

TICK_S = 1.0
BATCH = 200
"""Pieces of work looked at in one tick."""
IN_LINE_PATIENCE_S = 900.0
"""While a queue holds messages, a stage with no attempt is most likely waiting in line, so it is given this long."""
LEAD_S = 5.0
"""After so long without a sign of the leading keeper another takes its place."""
LEADER = "keeper"
INCARNATION = "broker_incarnation"


@dataclass(frozen=True, slots=True)
class Kept:
    """What one tick did."""

    expired: int = 0
    reclaimed: int = 0
    forgotten: int = 0
    """Stages whose messages went with the broker's memory."""
    relaunched: int = 0
    fired: int = 0
    """Firings of schedules."""
    batched: int = 0
    """Jobs of batches that were cancelled, and sources of batches that were read or taken."""
    acted: int = 0
    """Jobs that had their turn in a bulk action."""
    retired: int = 0
    """Jobs, objects and keys that need not be kept any more."""
    unparked: int = 0
    """Stages that look again whether a budget has room."""


def _nothing() -> int:
    return 0


class Keeper:
    """Keeps the promise that what was accepted ends."""

    def __init__(
        self,
        records: Records,
        app: Celery,
        clock: Clock,
        queues: Queues,
        *,
        name: str,
        lease_s: float,
        relaunch_after_s: float,
        fire: Callable[[], int] = _nothing,
        batch: Callable[[], int] = _nothing,
        act: Callable[[], int] = _nothing,
        retire: Callable[[], int] = _nothing,
        budget: Callable[[], int] = _nothing,
        announce: Callable[[], object] = _nothing,
    ) -> None:
        """`name` tells this keeper from the others; what can be called has a turn in each tick of the leading one."""
        self._records = records
        self._app = app
        self._clock = clock
        self._queues = queues
        self._name = name
        self._lease_s = lease_s
        self._relaunch_after_s = relaunch_after_s
        self._fire = fire
        self._batch = batch
        self._act = act
        self._retire = retire
        self._budget = budget
        self._announce = announce
        self._reclaim_from = clock.monotonic()
        self.is_leading = False
        """As of the latest tick."""
        self._incarnation: str | None = None

    def run(self, stop: threading.Event) -> None:
        """Tick once a second until told to stop."""
        while not stop.wait(TICK_S):
            self._tick_safely()

    def tick(self) -> Kept:
        """Look at the records once. Raises `MachineryFailed` when the database or the broker is down."""
        began_s = self._clock.monotonic()
        self.is_leading = self._records.lead(LEADER, self._name, lease_s=LEAD_S)
        if not self.is_leading:
            return Kept()
        kept = Kept(
            expired=self._records.expire(at=self._clock.now(), limit=BATCH),
            reclaimed=self._launch(self._reclaimed(began_s)),
            forgotten=self._forgotten(),
            relaunched=self._launch(self._unstarted()),
            fired=self._fire(),
            batched=self._batch(),
            acted=self._act(),
            retired=self._retire(),
            unparked=self._budget(),
        )
        self._announce()
        return kept

    def _tick_safely(self) -> None:
        try:
            kept = self.tick()
        except MachineryFailed as error:
            self._leave_time_to_renew()
            log.warning("waiting: %s", error)
        except Exception:
            log.exception("keeper tick failed")
        else:
            if kept != Kept():
                log.info("kept: %s", kept)

    def _leave_time_to_renew(self) -> None:
        """After an outage what workers still run must not look abandoned."""
        self._reclaim_from = self._clock.monotonic() + self._lease_s

    def _reclaimed(self, began_s: float) -> Iterable[Suspect]:
        if self._clock.monotonic() - began_s > TICK_S:
            # The database was away and is back, with the keeper first in line.
            self._leave_time_to_renew()
        if self._clock.monotonic() < self._reclaim_from:
            return
        for suspect in self._records.lapsed(limit=BATCH):
            if self._records.reclaim(suspect, at=self._clock.now()):
                yield suspect

    def _forgotten(self) -> int:
        """Have everything launched again whose message went with the broker's memory."""
        incarnation = self._queues.incarnation()
        if incarnation is None or incarnation == self._incarnation:
            return 0
        known, self._incarnation = self._records.marker(INCARNATION), incarnation
        if known == incarnation:
            return 0
        # In this order: whoever dies in between has it done again by the next, which does no harm.
        count = 0 if known is None else self._records.relaunch_all()
        self._records.set_marker(INCARNATION, incarnation)
        return count

    def _unstarted(self) -> Iterable[Suspect]:
        # A paused stage is started by nobody, however long that takes; what was never published is all the same.
        paused = frozenset(self._records.paused())
        if not self._overdue(self._relaunch_after_s, paused, limit=1):
            return
        in_line = self._queues.in_line()
        soon = self._overdue(self._relaunch_after_s, paused | in_line)
        late = self._overdue(IN_LINE_PATIENCE_S, paused) if in_line else ()
        for suspect in self._queues.without_message((*soon, *late)):
            if self._records.relaunch(suspect):
                yield suspect

    def _overdue(self, older_than_s: float, except_stages: frozenset[str], limit: int = BATCH) -> Sequence[Suspect]:
        return self._records.unstarted(older_than_s=older_than_s, except_stages=except_stages, limit=limit)

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
