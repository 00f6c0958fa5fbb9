"""The lease of this process: a key in Redis that expires unless a thread renews it.

Whether a worker is alive is asked of its process, never of the age of its messages: a task may take an hour.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable

import redis.exceptions

log = logging.getLogger(__name__)

MOST_BETWEEN_BEATS_S = 1.0

Beat = Callable[[], bool]
"""Renews the lease and says whether it was still held."""


class Lease:
    """Beats until told to stop.

    `settled` is what makes recovery safe after an outage: whoever has not held a lease for as long as a lease lasts
    cannot know whether the others are dead or just as late as he is.
    """

    def __init__(
        self,
        beat: Beat,
        chores: Callable[[], None],
        lease_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`chores` are done after each beat; what they raise does not break the lease."""
        self._beat = beat
        self._chores = chores
        self._lease_s = lease_s
        self._monotonic = monotonic
        self._since: float | None = None
        self._renewed: float | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Take the lease and keep it. Raises redis-py's errors when the first beat fails."""
        self._renew()
        self._thread = threading.Thread(target=self._run, name="streams-lease", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop renewing."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(self._lease_s)

    @property
    def is_held(self) -> bool:
        """Whether the others must think us alive: nothing may be read otherwise."""
        return self._renewed is not None and self._monotonic() - self._renewed < self._lease_s

    @property
    def is_settled(self) -> bool:
        """Whether it was held without a break for as long as a lease lasts."""
        return self.is_held and self._since is not None and self._monotonic() - self._since >= self._lease_s

    def _run(self) -> None:
        while not self._stop.wait(min(MOST_BETWEEN_BEATS_S, self._lease_s / 4)):
            # A server that is gone is no reason to stop; that it is gone was logged.
            with contextlib.suppress(redis.exceptions.RedisError, OSError):
                self._renew()
                self._do_chores()

    def _do_chores(self) -> None:
        try:
            self._chores()
        except Exception:
            log.exception("keeping the fleet failed; the next beat tries again")

    def _renew(self) -> None:
        begun = self._monotonic()
        try:
            held = self._beat()
        except (redis.exceptions.RedisError, OSError) as error:
            if self._since is not None:
                log.warning("the lease could not be renewed: %s", error)
            self._since = None
            raise
        if not held or self._since is None:
            self._since = begun
        # From before the request: the server may have counted from then.
        self._renewed = begun
