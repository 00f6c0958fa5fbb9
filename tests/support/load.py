"""Publishing on and on in the background, through whatever happens to the broker."""

import threading
from typing import Self

import kombu.exceptions

from tests.support.fleet import HOPS, Fleet


class Load:
    """Publishes chains of four hops until the block is left. `tokens` are those of which publishing succeeded."""

    def __init__(self, fleet: Fleet, *, chains_per_s: float, sleep_s: float = 0.0) -> None:
        self.fleet = fleet
        self.tokens: list[str] = []
        self.refused = 0
        self._sleep_s = sleep_s
        self._pause_s = 1 / chains_per_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish, name="load")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def wait_published(self, chains: int, *, within_s: float) -> None:
        """Return once this many more were published."""
        enough = len(self.tokens) + HOPS * chains
        self.fleet.until(lambda: len(self.tokens) >= enough, within_s=within_s, what=f"{chains} more chains")

    def _publish(self) -> None:
        number = 0
        while not self._stop.wait(self._pause_s):
            number += 1
            try:
                self.tokens += self.fleet.publish_chain(f"load-{number}", sleep_s=self._sleep_s)
            except kombu.exceptions.OperationalError:
                self.refused += 1
