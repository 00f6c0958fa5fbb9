"""Ctrl-C at a point of one's own choosing."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def noted_interrupts() -> Iterator[threading.Event]:
    """Set the event on the first Ctrl-C instead of raising; a second one raises `KeyboardInterrupt` as usual.

    Raised wherever the program happens to be, an exception is lost when that is a finalizer or a callback of a
    library, and the Ctrl-C with it.
    """
    interrupted = threading.Event()

    def note_first(_number: int, _frame: object) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, note_first)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
