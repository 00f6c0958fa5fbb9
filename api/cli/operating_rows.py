"""Queues and breakers as rows of tables."""

from api.cli.tables import moment
from api.schemas_breakers import BreakerView
from api.schemas_queues import QueueView
from pipeline.job import Lane

UNKNOWN = "?"
QUEUE_HEADINGS = ("stage", "state", "workers", *Lane, "again", "delayed", "in flight", "oldest", "per s")
BREAKER_HEADINGS = ("breaker", "state", "failures", "opened", "next try")


def queue_row(queue: QueueView) -> tuple[object, ...]:
    """What waits at a stage, and who works on it; `?` is what the transport cannot tell."""
    is_told = queue.in_flight is not None
    blank = "" if is_told else UNKNOWN
    return (
        queue.stage,
        "paused" if queue.paused else "open",
        queue.workers,
        *(queue.lanes[lane] for lane in Lane),
        *(UNKNOWN if number is None else number for number in (queue.redelivery, queue.delayed, queue.in_flight)),
        blank if queue.oldest_waiting_s is None else f"{queue.oldest_waiting_s:.1f} s",
        f"{queue.finished_per_s:.2f}",
    )


def breaker_row(breaker: BreakerView) -> tuple[object, ...]:
    """A breaker by its plain name, which commands take as well."""
    opened, retry = moment(breaker.opened_at), moment(breaker.retry_at)
    return breaker.dependency, breaker.state, breaker.failures, opened, retry
