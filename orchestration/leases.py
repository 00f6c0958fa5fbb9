"""Keeps this process's holds alive, and tells attempts when theirs is lost or their job is cancelled.

One thread per process renews all holds in one statement a second; a hold lasts many times longer, so a slow
database costs nothing. The same answer names the cancelled ones.
"""

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import RecordsUnavailable
from pipeline.ids import Hold
from pipeline.ports import Records
from pipeline.queues import owner_of
from stages.contract import CancelToken

log = logging.getLogger(__name__)

RENEW_EVERY_S = 1.0


class LeaseThread:
    """The holds of one process. The thread starts with the first hold, so it is never inherited by a fork."""

    def __init__(self, records: Records, *, lease_s: float) -> None:
        self.owner = owner_of(socket.gethostname(), os.getpid())
        self.lease_s = lease_s
        self._records = records
        self._tokens: dict[Hold, CancelToken] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def holding(self, hold: Hold, token: CancelToken) -> Iterator[None]:
        """Renew a hold while the block runs."""
        with self._lock:
            self._tokens[hold] = token
            self._start()
        try:
            yield
        finally:
            with self._lock:
                del self._tokens[hold]

    def interrupt(self) -> None:
        """Stop the attempts of this process, for other workers to make."""
        with self._lock:
            for token in self._tokens.values():
                token.cancel(for_now=True)

    def close(self) -> None:
        """Stop renewing."""
        self._closed.set()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._renew_forever, name="leases", daemon=True)
            self._thread.start()

    def _renew_forever(self) -> None:
        while not self._closed.wait(RENEW_EVERY_S):
            try:
                self.renew()
            except RecordsUnavailable as error:
                # Holds may lapse meanwhile; the epoch then refuses whatever this process still writes.
                log.warning("leases not renewed: %s", error)
            except Exception:
                log.exception("leases not renewed")

    def renew(self) -> None:
        """Renew all holds once, and cancel the attempts that lost theirs."""
        with self._lock:
            tokens = dict(self._tokens)
        if not tokens:
            return
        renewal = self._records.renew(tokens, lease_s=self.lease_s)
        for hold in renewal.lost | renewal.cancelled:
            tokens[hold].cancel()
