"""Paused queues and living workers in the records in memory."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from pipeline.job import StageState
from pipeline.memory_store import MemoryStore
from pipeline.queues import Running, Worker
from stages.contract import Clock


class MemoryQueues(MemoryStore):
    """What operators do to queues, and who serves them."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._paused: dict[str, datetime] = {}
        self._workers: dict[str, tuple[Worker, float]] = {}

    def pause(self, stage: str, at: datetime) -> datetime:
        """Have the workers of a stage begin nothing new."""
        with self._lock:
            return self._paused.setdefault(stage, at)

    def resume(self, stage: str) -> None:
        """Let them go on."""
        with self._lock:
            if self._paused.pop(stage, None) is None:
                return
            for waiting in self._in_state(StageState.READY):
                if waiting.key.stage == stage:
                    waiting.wait_from(self._now_s())

    def paused(self) -> Mapping[str, datetime]:
        """The stages that are paused."""
        with self._lock:
            return dict(self._paused)

    def check_in(self, worker: Worker, *, lease_s: float) -> None:
        """Say that a worker lives."""
        with self._lock:
            self._workers[worker.name] = worker, self._now_s() + lease_s

    def check_out(self, name: str) -> None:
        """Say that a worker has ended."""
        with self._lock:
            self._workers.pop(name, None)

    def workers(self) -> Sequence[Worker]:
        """The workers that live."""
        with self._lock:
            return [worker for _, (worker, until_s) in sorted(self._workers.items()) if until_s >= self._now_s()]

    def forget_workers(self) -> int:
        """Erase what is kept of workers that died."""
        with self._lock:
            dead = [name for name, (_, until_s) in self._workers.items() if until_s < self._now_s()]
            for name in dead:
                del self._workers[name]
            return len(dead)

    def running(self) -> Sequence[Running]:
        """The attempts that run."""
        with self._lock:
            counts = Counter((stage.key.stage, stage.owner) for stage in self._in_state(StageState.RUNNING))
        return [Running(stage, owner, count) for (stage, owner), count in counts.items()]
