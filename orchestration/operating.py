"""What operators see of the queues and workers of a deployment, and what they can do to them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestration.queues import Backlog, Queues
from pipeline.composition import Catalog
from pipeline.queues import QueueRecords, Running, Worker
from stages.contract import Clock


@dataclass(frozen=True, slots=True)
class QueueState:
    """One queue, and what becomes of it."""

    stage: str
    backlog: Backlog
    paused_at: datetime | None
    running: int
    """Attempts that hold a stage in the records."""
    workers: int
    """Living processes that serve it."""
    finished_per_s: float
    """Messages finished in the last minute, whatever the outcome, by the second; as the living workers counted."""


@dataclass(frozen=True, slots=True)
class Busy:
    """A worker, and how many attempts it makes at this moment."""

    worker: Worker
    running: int


@dataclass(frozen=True, slots=True)
class QueueDesk:
    """Where operators ask."""

    catalog: Catalog
    records: QueueRecords
    queues: Queues
    clock: Clock

    def states(self) -> list[QueueState]:
        """All queues, by stage. Raises `BrokerUnavailable` or `RecordsUnavailable`."""
        backlogs = self.queues.backlogs()
        paused, running, workers = self.records.paused(), self.records.running(), self.records.workers()
        return [
            _state(
                backlogs[stage],
                paused.get(stage),
                stage=stage,
                running=[some for some in running if some.stage == stage],
                serving=[worker for worker in workers if stage in worker.stages],
            )
            for stage in self.catalog.stages
        ]

    def workers(self) -> Sequence[Busy]:
        """The workers that live, by name. Raises `RecordsUnavailable`."""
        running = Counter[str]()
        for some in self.records.running():
            running[some.owner] += some.count
        return [Busy(worker, running[worker.owner]) for worker in self.records.workers()]

    def pause(self, stage: str) -> datetime:
        """Have the workers of a stage begin nothing new; returns since when. Needs no broker.

        Raises `UnknownStage`, or `RecordsUnavailable`.
        """
        return self.records.pause(self.catalog.stage(stage).name, self.clock.now())

    def resume(self, stage: str) -> None:
        """Let them go on. Raises `UnknownStage`, or `RecordsUnavailable`."""
        self.records.resume(self.catalog.stage(stage).name)


def _state(
    backlog: Backlog, paused_at: datetime | None, *, stage: str, running: Sequence[Running], serving: Sequence[Worker]
) -> QueueState:
    return QueueState(
        stage,
        backlog,
        paused_at,
        running=sum(some.count for some in running),
        workers=len(serving),
        finished_per_s=sum(worker.finished_per_s for worker in serving),
    )
