"""Which queues are paused, and which workers live. Both are kept as markers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection, case, delete, func, select, update

from orchestration.storage.records_markers import locked_marker, marker, set_marker
from orchestration.storage.records_moves import spelled_out
from orchestration.storage.schema import markers, stages
from orchestration.storage.types import now_s
from pipeline.job import StageState
from pipeline.queues import Running, Worker

PAUSED = "paused_queues"
"""One marker for all: the name of a stage may be as long as that of a marker."""
NOTHING = "{}"
WORKER = "worker:"

# paused queues


def pause(connection: Connection, stage: str, at: datetime) -> datetime:
    since = _since(locked_marker(connection, PAUSED, NOTHING))
    since.setdefault(stage, at)
    _keep(connection, since)
    return since[stage]


def resume(connection: Connection, stage: str) -> None:
    since = _since(locked_marker(connection, PAUSED, NOTHING))
    if since.pop(stage, None) is None:
        return
    _keep(connection, since)
    waiting = update(stages).where(stages.c.state == spelled_out(StageState.READY), stages.c.stage == stage)
    moments = (stages.c.launched_at, stages.c.parked_since)
    connection.execute(waiting.values({moment.name: case((moment.is_not(None), now_s())) for moment in moments}))


def paused(connection: Connection) -> Mapping[str, datetime]:
    return _since(marker(connection, PAUSED) or NOTHING)


def _since(value: str) -> dict[str, datetime]:
    return {stage: datetime.fromisoformat(at) for stage, at in json.loads(value).items()}


def _keep(connection: Connection, since: Mapping[str, datetime]) -> None:
    set_marker(connection, PAUSED, json.dumps({stage: at.isoformat() for stage, at in since.items()}))


# workers

_OF_WORKERS = markers.c.name.startswith(WORKER)


def check_in(connection: Connection, worker: Worker, lease_s: float) -> None:
    moments = {"started_at": worker.started_at.isoformat(), "seen_at": worker.seen_at.isoformat()}
    set_marker(connection, _marker_of(worker.name), json.dumps(asdict(worker) | moments), lease_s=lease_s)


def check_out(connection: Connection, name: str) -> None:
    connection.execute(delete(markers).where(markers.c.name == _marker_of(name)))


def workers(connection: Connection) -> Sequence[Worker]:
    alive = select(markers.c.value).where(_OF_WORKERS, markers.c.until >= now_s())
    return sorted((_worker(value) for value in connection.scalars(alive)), key=lambda worker: worker.name)


def forget_workers(connection: Connection) -> int:
    return connection.execute(delete(markers).where(_OF_WORKERS, markers.c.until < now_s())).rowcount


def _marker_of(name: str) -> str:
    """Names of hosts may be longer than those of markers."""
    return WORKER + sha256(name.encode()).hexdigest()[:32]


def _worker(value: str) -> Worker:
    document = json.loads(value)
    moments = {name: datetime.fromisoformat(document[name]) for name in ("started_at", "seen_at")}
    return Worker(**{**document, **moments, "stages": tuple(document["stages"])})


# attempts


def running(connection: Connection) -> Sequence[Running]:
    held = select(stages.c.stage, stages.c.owner, func.count()).where(stages.c.state == spelled_out(StageState.RUNNING))
    return [Running(*row) for row in connection.execute(held.group_by(stages.c.stage, stages.c.owner))]
