"""The short retries inside a call. Everything longer belongs to the queue."""

from collections.abc import Callable
from typing import TypeVar

import tenacity

from stages.contract import Scope

T = TypeVar("T")

MAX_TRIES = 2
WITHIN_S = 2.0


def once_more(call: Callable[[], T], scope: Scope, is_worth_it: Callable[[BaseException], bool]) -> T:
    """Call, and once more if it failed within 2 s in a way that is worth it. The last error comes through."""
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_worth_it),
        stop=tenacity.stop_after_attempt(MAX_TRIES) | tenacity.stop_before_delay(WITHIN_S),
        wait=tenacity.wait_random(0.1, 0.5),
        sleep=scope.wait,
        reraise=True,
    )
    return retrying(call)
