"""A pipeline as a Celery chain: one message per stage, each on the queue named after its stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from celery import Celery, chain
from celery.canvas import Signature

from pipeline.ids import WHOLE, StageKey
from pipeline.job import Lane, priority_of

MESSAGE_VERSION = 1
FIRST_LAUNCH = 1


def task_name(stage: str) -> str:
    """The Celery task that runs a stage."""
    return f"penstock.{stage}"


def message(key: StageKey) -> dict[str, Any]:
    """What a message says besides the claim, which the stage before it hands on.

    >>> message(StageKey("0198", 1, "fetch"))
    {'v': 1, 'job_id': '0198', 'run': 1, 'stage': 'fetch', 'part': 0}
    """
    return {"v": MESSAGE_VERSION, "job_id": key.job_id, "run": key.run, "stage": key.stage, "part": key.part}


def chain_from(app: Celery, first: StageKey, stages: Sequence[str], lane: Lane, launch: int) -> Signature[Any]:
    """The rest of a run as a chain, beginning with `first`. After a part comes its stage, to put the parts together.

    The chain goes on from the last part that is done; which one that is, the records say. Celery's chord would count
    them in a result backend, and hang when that is lost.

    `launch` numbers the messages published for `first`; the later stages get their first one through the chain
    unless an earlier launch reached them, and then their record refuses the duplicate.
    """
    rest = stages[stages.index(first.stage) :]
    wholes = [StageKey(first.job_id, first.run, stage) for stage in rest]
    # A stage that is split was launched itself before its parts.
    tail = [(key, launch) for key in wholes[1:]]
    if first.part != WHOLE:
        tail.insert(0, (wholes[0], launch + 1))
    # Only the head is told that there is no claim; the others are handed the one of the stage before.
    head = _signature(app, first, lane, launch, None)
    return chain(head, *(_signature(app, key, lane, number) for key, number in tail))


def _signature(app: Celery, key: StageKey, lane: Lane, launch: int, *args: None) -> Signature[Any]:
    return app.signature(
        task_name(key.stage),
        args=args,
        kwargs=message(key),
        task_id=key.task_id(launch),
        queue=key.stage,
        priority=priority_of(lane),
        # Nobody waits for a reply; Celery would put an address into every link of the chain.
        reply_to=None,
    )
