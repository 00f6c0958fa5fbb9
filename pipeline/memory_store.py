"""What the records in memory keep, and how it is found."""

from collections.abc import Iterator
from dataclasses import replace
from threading import RLock

from pipeline.errors import JobNotFound
from pipeline.ids import Hold, StageKey, canonical_uuid
from pipeline.job import JobState, StageState
from pipeline.memory_jobs import KeptJob, KeptStage
from stages.contract import Clock


class MemoryStore:
    """Jobs in a dictionary. The record's own clock is the given one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, KeptJob] = {}
        self._lock = RLock()

    def _now_s(self) -> float:
        return self._clock.now().timestamp()

    def _stage(self, key: StageKey) -> KeptStage | None:
        kept = self._kept.get(key.job_id)
        return None if kept is None else kept.stage(key)

    def _held(self, hold: Hold) -> KeptStage | None:
        stage = self._stage(hold.key)
        current = stage is not None and stage.state is StageState.RUNNING and stage.epoch == hold.epoch
        return stage if current else None

    def _held_by_writer(self, hold: Hold) -> KeptStage | None:
        """The same, for one who brings a result: one who was taken for dead is counted."""
        held, stage = self._held(hold), self._stage(hold.key)
        if held is None and stage is not None and stage.was_lost(hold.epoch):
            stage.record = replace(stage.record, stale_writes=stage.record.stale_writes + 1)
        return held

    def _is_cancelled(self, key: StageKey) -> bool:
        kept, stage = self._kept.get(key.job_id), self._stage(key)
        if kept is None or stage is None:
            return False
        return JobState.CANCELLED is kept.job.state or StageState.CANCELLED is stage.state

    def _of_tenant(self, tenant_id: str, job_id: str) -> KeptJob | None:
        kept = self._kept.get(canonical_uuid(job_id) or "")
        return kept if kept is not None and kept.job.tenant_id == tenant_id else None

    def _require(self, tenant_id: str, job_id: str) -> KeptJob:
        kept = self._of_tenant(tenant_id, job_id)
        if kept is None:
            raise JobNotFound(job_id)
        return kept

    def _in_state(self, state: StageState) -> Iterator[KeptStage]:
        return (stage for kept in self._kept.values() for stage in kept.pieces if stage.state is state)

    def _unfinished(self) -> Iterator[KeptJob]:
        return (kept for _, kept in sorted(self._kept.items()) if not kept.job.state.is_terminal)
