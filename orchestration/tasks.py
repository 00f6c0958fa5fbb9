"""One Celery task per stage, made in a loop. Turns the outcome of an attempt into what Celery does next."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NoReturn

from celery import Celery, Task
from celery.exceptions import Ignore

from orchestration.canvas import MESSAGE_VERSION, task_name
from pipeline.attempt import Services, attempt
from pipeline.composition import Catalog
from pipeline.errors import MachineryFailed
from pipeline.ids import StageKey
from pipeline.outcome import MACHINERY_DELAY_S, Again, Cancelled, Dead, Done, Early, Outcome, Superseded

log = logging.getLogger(__name__)

ServicesFactory = Callable[[], Services]
ClaimMessage = dict[str, str | int]


def register_tasks(app: Celery, catalog: Catalog, services: ServicesFactory) -> None:
    """Give the app one task for each stage of the catalog.

    `services` is called in the worker, at the first message: connections are never inherited through a fork.
    """
    for stage in catalog.stages:
        # A shared task would be put into every app of the process, with the services of the first.
        app.task(name=task_name(stage), bind=True, shared=False, max_retries=None)(_runner(services))


def _runner(services: ServicesFactory) -> Callable[..., ClaimMessage]:
    def perform(
        task: Task[..., Any], _hint: ClaimMessage | None, *, v: int, job_id: str, run: int, stage: str, part: int
    ) -> ClaimMessage:
        # The claim in the message is a hint for people who read queues; the real one is in the record.
        if v != MESSAGE_VERSION:
            _again(task, MACHINERY_DELAY_S, f"message version {v} is not for this worker")
        key = StageKey(job_id, run, stage, part)
        try:
            outcome = attempt(key, services())
        except MachineryFailed as error:
            _again(task, MACHINERY_DELAY_S, str(error))
        return _act(task, key, outcome)

    return perform


def _act(task: Task[..., Any], key: StageKey, outcome: Outcome) -> ClaimMessage:
    """Hand the claim on, come back later, or end the chain here."""
    match outcome:
        case Done(claim):
            return claim.as_dict()
        case Early(delay_s):
            _again(task, delay_s, "not due yet")
        case Again(delay_s, error):
            _again(task, delay_s, error.code)
        case Dead(error):
            log.warning("%s failed: %s: %s", key.task_id(0), error.code, error.message)
            if error.traceback:
                log.error("%s", error.traceback)
            raise Ignore(error.code)
        case Cancelled() | Superseded():
            raise Ignore(type(outcome).__name__)


def _again(task: Task[..., Any], delay_s: float, why: str) -> NoReturn:
    """Publish the same message with a delay and acknowledge this one; the rest of the chain stays attached."""
    raise task.retry(countdown=delay_s, exc=None, throw=True) from None
