"""One Celery task per stage, made in a loop. Turns the outcome of an attempt into what Celery does next."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery import Celery, Task
from celery.exceptions import Ignore, Retry

from orchestration.canvas import MESSAGE_VERSION, task_name
from orchestration.gate import Gate
from orchestration.launch import launch_ready
from orchestration.transport import DELIVERY_COUNT, MESSAGE_ID
from pipeline.attempt import Services, attempt
from pipeline.composition import Catalog
from pipeline.errors import MachineryFailed
from pipeline.ids import Claim, Delivery, StageKey
from pipeline.outcome import MACHINERY_DELAY_S, Again, Dead, Divided, Done, Early, Outcome, Returned, Stale

log = logging.getLogger(__name__)

ServicesFactory = Callable[[], Services]
ClaimMessage = dict[str, str | int]


def register_tasks(app: Celery, catalog: Catalog, services: ServicesFactory, gate: Gate) -> None:
    """Give the app one task for each stage of the catalog.

    `services` is called in the worker, at the first message: connections are never inherited through a fork. While
    `gate` is shut messages are put back.
    """
    for stage in catalog.stages:
        # A shared task would be put into every app of the process, with the services of the first.
        app.task(name=task_name(stage), bind=True, shared=False, max_retries=None)(_runner(app, services, gate))


def _runner(app: Celery, services: ServicesFactory, gate: Gate) -> Callable[..., ClaimMessage]:
    def perform(
        task: Task[..., Any], _hint: ClaimMessage | None, *, v: int, job_id: str, run: int, stage: str, part: int
    ) -> ClaimMessage:
        # The claim in the message is a hint for people who read queues; the real one is in the record.
        # A newer version comes during an upgrade: a newer worker will take it.
        if v != MESSAGE_VERSION or not gate.is_open:
            raise _again(task, MACHINERY_DELAY_S)
        key = StageKey(job_id, run, stage, part)
        try:
            outcome = attempt(key, services(), _delivery(task))
        except MachineryFailed as error:
            log.warning("%s waits: %s", key, error)
            raise _again(task, MACHINERY_DELAY_S) from None
        if isinstance(outcome, Divided):
            launch_ready(app, services().records, outcome.division.ready)
        return _act(task, key, outcome)

    return perform


def _delivery(task: Task[..., Any]) -> Delivery:
    """What only the Streams transport tells."""
    return Delivery(task.request.get(MESSAGE_ID), worker_died=bool(task.request.get(DELIVERY_COUNT)))


def _act(task: Task[..., Any], key: StageKey, outcome: Outcome) -> ClaimMessage:
    """Hand the claim on, come back later, or end the chain here."""
    match outcome:
        case Done(claim) | Divided(hands_on=Claim() as claim):
            return claim.as_dict()
        case Early(delay_s):
            raise _again(task, delay_s)
        case Again(delay_s, error):
            log.info("%s waits %.1f s: %s", key, delay_s, error.code)
            raise _again(task, delay_s)
        case Returned(error, claim_key):
            log.warning("%s cannot read %s: %s", key, claim_key, error.code)
        case Stale(epoch):
            log.warning("%s: the result of epoch %d is refused, as its hold was taken away", key, epoch)
        case Dead(error):
            log.info("%s failed: %s: %s", key, error.code, error.message)
            if error.traceback:
                log.error("%s met a defect\n%s", key, error.traceback)
    raise Ignore(type(outcome).__name__)


def _again(task: Task[..., Any], delay_s: float) -> Retry:
    """Publish the same message with a delay; raising the answer acknowledges this one.

    The rest of the chain stays attached to it.
    """
    retry: Retry = task.retry(countdown=delay_s, throw=False)
    return retry
