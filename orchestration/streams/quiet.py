"""Who tells something to whoever may listen does not wait for a Redis that is away."""

import logging
from threading import Lock

from stages.contract import Clock

log = logging.getLogger(__name__)

PATIENCE_S = 0.15
"""For connecting and for the answer."""
QUIET_S = 1.0
"""How long nothing is told after Redis did not answer."""


class Quiet:
    """A time in which nothing is tried. Thread-safe."""

    def __init__(self, complaint: str, clock: Clock) -> None:
        """`complaint` is logged once whenever such a time begins."""
        self._complaint = complaint
        self._clock = clock
        self._until = clock.monotonic()
        self._lock = Lock()

    @property
    def is_on(self) -> bool:
        """Whether to say nothing now."""
        return self._clock.monotonic() < self._until

    def begin(self, error: Exception) -> None:
        """Redis did not answer."""
        with self._lock:
            if not self.is_on:
                log.warning("%s for now: %.200s", self._complaint, error)
            self._until = self._clock.monotonic() + QUIET_S
