"""A pipeline as a Celery chain: one message per stage, each on the queue named after its stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from celery import Celery, chain
from celery.canvas import Signature

from pipeline.ids import StageKey
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
    """The rest of a run as a chain, beginning with `first`.

    `launch` numbers the messages published for `first`; the later stages get their first one through the chain
    unless an earlier launch reached them, and then their record refuses the duplicate.
    """
    rest = stages[stages.index(first.stage) :]
    keys = [StageKey(first.job_id, first.run, stage, first.part) for stage in rest]
    head, *tail = keys
    # Only the head is told that there is no claim; the others are handed the one of the stage before.
    signatures = [_signature(app, head, lane, launch, None), *(_signature(app, key, lane, launch) for key in tail)]
    return chain(*signatures)


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
