"""What goes out of the HTTP API about queues and workers."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from orchestration.operating import Busy, QueueState
from pipeline.job import Lane

SINCE = "2026-11-21T09:30:00Z"
PAUSED: dict[str, Any] = {"stage": "summarize", "paused": True, "paused_at": SINCE}
QUEUE: dict[str, Any] = {
    **PAUSED,
    "workers": 2,
    "running": 1,
    "waiting": 43,
    "lanes": {"urgent": 0, "normal": 2, "bulk": 40},
    "redelivery": 1,
    "delayed": 5,
    "in_flight": 1,
    "oldest_waiting_s": 71.4,
    "finished_per_s": 0.25,
}
WORKER: dict[str, Any] = {
    "name": "summarize-4711@host",
    "stages": ["summarize"],
    "host": "host",
    "pid": 4711,
    "started_at": SINCE,
    "seen_at": "2026-11-21T10:01:58Z",
    "running": 1,
    "finished_per_s": 0.25,
}


class PauseView(BaseModel):
    """Whether the workers of a stage begin anything new."""

    model_config = ConfigDict(json_schema_extra={"examples": [PAUSED]})

    stage: str
    paused: bool
    paused_at: datetime | None = Field(description="Since when; null unless it is paused.")

    @classmethod
    def since(cls, stage: str, paused_at: datetime | None) -> Self:
        return cls(stage=stage, paused=paused_at is not None, paused_at=paused_at)


class QueueView(PauseView):
    """The queue of a stage. What the transport `lists` cannot tell is null."""

    model_config = ConfigDict(json_schema_extra={"examples": [QUEUE]})

    workers: int = Field(description="Living processes that serve it.")
    running: int = Field(description="Attempts that run, by the records.")
    waiting: int = Field(description="Messages that a worker could take now: those of all lanes and of redelivery.")
    lanes: dict[Lane, int] = Field(description="Messages that were never delivered, by lane.")
    redelivery: int | None = Field(description="Messages that were delivered before, and wait again.")
    delayed: int | None = Field(description="Retries that are not due yet; while it is paused also those that are.")
    in_flight: int | None = Field(description="Messages that a worker has and has not settled.")
    oldest_waiting_s: float | None = Field(description="For how long the oldest one has waited; null when none does.")
    finished_per_s: float = Field(description="Messages finished in the last minute, by the second.")

    @classmethod
    def of(cls, queue: QueueState) -> Self:
        backlog = queue.backlog
        return cls(
            stage=queue.stage,
            paused=queue.paused_at is not None,
            paused_at=queue.paused_at,
            workers=queue.workers,
            running=queue.running,
            waiting=sum(backlog.lanes.values()) + (backlog.redelivery or 0),
            lanes=dict(backlog.lanes),
            redelivery=backlog.redelivery,
            delayed=backlog.delayed,
            in_flight=backlog.in_flight,
            oldest_waiting_s=backlog.oldest_s,
            finished_per_s=round(queue.finished_per_s, 3),
        )


class QueueList(BaseModel):
    """The queues of all stages."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"transport": "streams", "items": [QUEUE]}]})

    transport: Literal["streams", "lists"]
    items: list[QueueView]


class WorkerView(BaseModel):
    """A living worker process."""

    model_config = ConfigDict(json_schema_extra={"examples": [WORKER]})

    name: str
    stages: list[str] = Field(description="The stages whose queues it serves.")
    host: str
    pid: int
    started_at: datetime
    seen_at: datetime = Field(description="Its last sign of life, by its own clock.")
    running: int = Field(description="Attempts that it makes at this moment.")
    finished_per_s: float = Field(description="Messages it finished in the last minute, by the second.")

    @classmethod
    def of(cls, busy: Busy) -> Self:
        worker = busy.worker
        return cls(
            name=worker.name,
            stages=list(worker.stages),
            host=worker.host,
            pid=worker.pid,
            started_at=worker.started_at,
            seen_at=worker.seen_at,
            running=busy.running,
            finished_per_s=round(worker.finished_per_s, 3),
        )


class WorkerList(BaseModel):
    """All workers that live."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [WORKER]}]})

    items: list[WorkerView]
