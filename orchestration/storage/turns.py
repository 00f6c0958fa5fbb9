"""Who uses a connection next: threads, in the order in which they asked.

SQLAlchemy's pool gives a free connection to whoever comes first, most often the thread that just gave it back. Under
steady use one that waits may then wait for many seconds, although no transaction takes more than some milliseconds.
"""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from pipeline.errors import RecordsUnavailable


class Turns:
    """As many threads at once as there are `places`; the others wait in line."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._line: deque[Lock] = deque()
        self._lock = Lock()

    @contextmanager
    def turn(self, deadline_s: float) -> Iterator[None]:
        """Have a place while the block runs; `deadline_s` is of the monotonic clock.

        Raises `RecordsUnavailable` when none was free by then.
        """
        if not self._begin(deadline_s):
            raise RecordsUnavailable("the database does not answer: all connections are in use")
        try:
            yield
        finally:
            self._end()

    def _begin(self, deadline_s: float) -> bool:
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            called = Lock()
            called.acquire()
            self._line.append(called)
        return called.acquire(timeout=max(0.0, deadline_s - time.monotonic())) or not self._leave(called)

    def _leave(self, called: Lock) -> bool:
        """Leave the line; False when it was this one's turn in this very moment."""
        with self._lock:
            if called not in self._line:
                return False
            self._line.remove(called)
            return True

    def _end(self) -> None:
        """A place is handed over to the next in line, so that nobody comes before."""
        with self._lock:
            if self._line:
                self._line.popleft().release()
            else:
                self._free += 1
