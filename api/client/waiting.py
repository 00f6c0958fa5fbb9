"""Waiting for the end of a job or a batch by asking again and again: what to ask next, and when."""

from collections.abc import Generator
from typing import TypeVar

from api.client import calls
from api.client.calls import Call
from api.client.core import Core
from api.client.errors import NotSucceeded, WaitTimedOut
from api.schemas import JobView
from api.schemas_batches import BatchView
from pipeline.job import JobState

V = TypeVar("V")

LONG_POLL_S = 20.0
"""How long the service may hold one question."""
POLL_S = 0.5
"""Shortest time between two questions, should the service not hold them."""
BATCH_POLL_S = 1.0

Wait = Generator[Call[V] | float, V | None, V]
"""Yields what to ask, or for how many seconds to pause; returns what has ended."""


def wait(core: Core, job_id: str, over_at: float) -> Wait[JobView]:
    """Wait until a job has ended. Raises `WaitTimedOut` at `over_at`, on the monotonic clock."""
    while True:
        asked_at = core.clock.monotonic()
        wait_s = max(0.0, min(LONG_POLL_S, over_at - asked_at))
        job = yield calls.job(job_id, wait_s=wait_s)
        assert job is not None  # noqa: S101  # the answer to a call
        if job.status.is_terminal:
            return job
        now_s = core.clock.monotonic()
        if now_s >= over_at:
            raise WaitTimedOut(job_id)
        if now_s < asked_at + POLL_S:
            yield min(POLL_S, over_at - now_s)


def wait_batch(core: Core, batch_id: str, over_at: float) -> Wait[BatchView]:
    """Wait until nothing more happens to a batch by itself. Raises `WaitTimedOut` at `over_at`."""
    while True:
        batch = yield calls.batch(batch_id)
        assert batch is not None  # noqa: S101  # the answer to a call
        if batch.is_over:
            return batch
        now_s = core.clock.monotonic()
        if now_s >= over_at:
            raise WaitTimedOut(batch_id=batch_id)
        yield min(BATCH_POLL_S, over_at - now_s)


def succeeded(job: JobView) -> str:
    """The id of a job that has a result. Raises `NotSucceeded`."""
    if job.status is not JobState.SUCCEEDED:
        raise NotSucceeded(job)
    return job.id
