"""Waiting for something to become true, with an end."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.02


class NeverHappened(AssertionError):
    """The deadline passed first."""


def until(probe: Callable[[], T | None], *, within_s: float, what: str) -> T:
    """The first truthy answer of `probe`; raises `NeverHappened` after `within_s` seconds.

    >>> until(lambda: 7, within_s=1, what="a number")
    7
    >>> until(lambda: None, within_s=0, what="a number")
    Traceback (most recent call last):
    tests.support.waiting.NeverHappened: waited 0 s in vain for a number
    """
    deadline = time.monotonic() + within_s
    while not (answer := probe()):
        if time.monotonic() > deadline:
            raise NeverHappened(f"waited {within_s:g} s in vain for {what}")
        time.sleep(POLL_S)
    return answer
