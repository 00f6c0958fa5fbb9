"""Who sends what is due: a pool of threads, of which no endpoint has more than a few, and those that fail half.

So an endpoint that hangs holds up nobody but itself. Any number of processes may do this: each delivery is claimed.
"""

import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Event, Lock

from pipeline.errors import MachineryFailed
from pipeline.webhook_rules import Verdict, why_disabled
from pipeline.webhooks import Due, Parcel, WebhookRecords

log = logging.getLogger(__name__)

TICK_S = 1.0
THREADS = 32
PER_ENDPOINT = 4
LEASE_S = 15.0
"""Longer than one request may take, and its record."""

Send = Callable[[Parcel], Verdict | None]


class Dispatcher:
    """Claims deliveries and has them sent."""

    def __init__(self, records: WebhookRecords, send: Send, random: Random, *, threads: int = THREADS) -> None:
        self._records = records
        self._send = send
        self._random = random
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="webhook")
        self._sending: Counter[str] = Counter()
        self._to_failing: Counter[str] = Counter()
        self._lock = Lock()
        self._is_freed = Event()

    def run(self, stop: Event) -> None:
        """Send until told to stop, then finish what is being sent."""
        while not stop.is_set():
            try:
                self.turn()
            except MachineryFailed as error:
                log.warning("waiting: %s", error)
                stop.wait(TICK_S)
            self._is_freed.wait(TICK_S)
            self._is_freed.clear()
        self.close()

    def turn(self) -> int:
        """Claim what is due and there is room for, from all endpoints in turn; returns how many."""
        waiting = list(self._records.due_webhooks())
        self._random.shuffle(waiting)
        count = 0
        while waiting:
            waiting = [due for due in waiting if self._has_room(due) and self._take(due)]
            count += len(waiting)
        return count

    def close(self) -> None:
        """Wait for what is being sent."""
        self._pool.shutdown()

    def _has_room(self, due: Due) -> bool:
        with self._lock:
            if self._sending.total() >= self._threads:
                return False
            if due.is_failing:
                return not self._sending[due.webhook_id] and self._to_failing.total() < self._threads // 2
            return self._sending[due.webhook_id] < PER_ENDPOINT

    def _take(self, due: Due) -> bool:
        parcel = self._records.claim_delivery(due.webhook_id, lease_s=LEASE_S)
        if parcel is None:
            return False
        self._count(due, 1)
        self._pool.submit(self._deliver, due, parcel)
        return True

    def _deliver(self, due: Due, parcel: Parcel) -> None:
        try:
            self._tell(parcel, self._send(parcel))
        except MachineryFailed as error:
            log.warning("delivery %s will be sent again: %s", parcel.delivery.id, error)
        except Exception:
            log.exception("delivery %s failed", parcel.delivery.id)
        finally:
            self._count(due, -1)
            self._is_freed.set()

    def _count(self, due: Due, change: int) -> None:
        with self._lock:
            self._sending[due.webhook_id] += change
            self._to_failing[due.webhook_id] += change if due.is_failing else 0

    def _tell(self, parcel: Parcel, verdict: Verdict | None) -> None:
        if verdict is None or verdict.is_delivered:
            return
        tried, webhook = verdict.tried, parcel.webhook
        log.info("webhook %s did not take %s: %s", webhook.id, parcel.delivery.id, tried.status or tried.code)
        if reason := why_disabled(webhook.health.after(verdict), verdict):
            log.warning("webhook %s is disabled: %s", webhook.id, reason)
