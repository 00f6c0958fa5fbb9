"""Several threads that begin at the same moment."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier
from typing import Any


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Run these in threads that start together; returns what each returned, or raised."""
    barrier = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        barrier.wait(10)
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        futures: list[Future[Any]] = [pool.submit(run, act) for act in acts]
        return [future.exception() or future.result() for future in futures]
