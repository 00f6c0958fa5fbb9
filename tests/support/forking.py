"""Children of a test's own process."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def may_fork() -> Iterator[None]:
    """Forking with threads about, which other tests leave, is deprecated; these children use none of theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def forked(body: Callable[[], object]) -> int:
    """Run a function in a child, which then ends without cleaning up what it shares with this process."""
    with may_fork():
        pid = os.fork()
    if pid == 0:
        try:
            body()
        finally:
            os._exit(0)
    return pid
