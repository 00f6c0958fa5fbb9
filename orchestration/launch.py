"""Publishing the rest of a run. Always after the record was committed, never before."""

from collections.abc import Sequence

import kombu.exceptions
from celery import Celery

from orchestration.canvas import chain_from
from pipeline.errors import BrokerUnavailable
from pipeline.ids import StageKey
from pipeline.job import Lane


def launch(app: Celery, first: StageKey, stages: Sequence[str], lane: Lane, *, number: int) -> None:
    """Publish the chain that begins with `first`; `number` counts the launches of that stage.

    Raises `BrokerUnavailable` when the broker does not take it within about a second.
    """
    try:
        chain_from(app, first, stages, lane, number).apply_async()
    except kombu.exceptions.OperationalError as error:
        raise BrokerUnavailable("the broker does not take messages") from error
