"""Publishing the rest of a run. Always after the record was committed, never before."""

import logging
from collections.abc import Sequence

import kombu.exceptions
from celery import Celery

from orchestration.canvas import FIRST_LAUNCH, chain_from
from pipeline.errors import BrokerUnavailable, MachineryFailed
from pipeline.ids import StageKey
from pipeline.job import Lane
from pipeline.ports import Records
from pipeline.work import Suspect

log = logging.getLogger(__name__)


def launch_or_leave(app: Celery, records: Records, first: StageKey, stages: Sequence[str], lane: Lane) -> bool:
    """Publish a run that was just recorded as launched once; returns whether the broker took it.

    Otherwise it is left to the keeper.
    """
    try:
        launch(app, first, stages, lane, number=FIRST_LAUNCH)
    except BrokerUnavailable as error:
        log.warning("job %s is kept and will be launched later: %s", first.job_id, error)
        leave_to_keeper(records, first)
        return False
    return True


def launch_ready(app: Celery, records: Records, ready: Sequence[Suspect]) -> None:
    """Publish pieces of work that were just made ready; what the broker does not take is left to the keeper."""
    for done, piece in enumerate(ready):
        try:
            launch(app, piece.key, piece.stages, piece.lane, number=piece.launches)
        except BrokerUnavailable as error:
            log.warning("%s and what comes with it will be launched later: %s", piece.key, error)
            for left in ready[done:]:
                leave_to_keeper(records, left.key)
            return


def leave_to_keeper(records: Records, key: StageKey) -> None:
    """Say that the message counted as launched was not published."""
    try:
        records.unlaunch(key)
    except MachineryFailed as error:
        # The run is committed as launched: the keeper finds it a little later, by its age.
        log.warning("%s", error)


def launch(app: Celery, first: StageKey, stages: Sequence[str], lane: Lane, *, number: int) -> None:
    """Publish the chain that begins with `first`; `number` counts the launches of that stage.

    Raises `BrokerUnavailable` when the broker does not take it within about a second.
    """
    try:
        chain_from(app, first, stages, lane, number).apply_async()
    except kombu.exceptions.OperationalError as error:
        raise BrokerUnavailable("the broker does not take messages") from error
