"""The keeper's side of the records in memory."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime

from pipeline.ids import Hold, StageKey
from pipeline.job import MAX_LOSSES, StageState, priority_of
from pipeline.memory_jobs import KeptStage
from pipeline.memory_store import MemoryStore
from pipeline.verdicts import worker_lost
from pipeline.work import Suspect


class MemoryKeeping(MemoryStore):
    """What the keeper looks for, and how it sets it right."""

    def lapsed(self, *, limit: int) -> Sequence[Suspect]:
        """Running stages whose lease ran out."""
        return self._suspects(limit, self._has_lapsed)

    def reclaim(self, suspect: Suspect, *, at: datetime) -> bool:
        """Make a lapsed stage ready again and count the loss."""
        with self._lock:
            stage = self._held(Hold(suspect.key, suspect.epoch))
            return stage is not None and self._has_lapsed(stage) and self._count_loss(stage, at)

    def take_over(self, key: StageKey, *, message_id: str, at: datetime) -> bool:
        """Take a running stage from a worker that died with this message, and count the loss."""
        with self._lock:
            stage = self._stage(key)
            if stage is None or stage.state is not StageState.RUNNING or stage.message_id != message_id:
                return False
            return self._count_loss(stage, at)

    def unstarted(self, *, older_than_s: float, except_stages: Collection[str] = (), limit: int) -> Sequence[Suspect]:
        """Ready and due stages with no attempt for this long since their latest launch."""
        now_s = self._now_s()

        def is_unstarted(stage: KeptStage) -> bool:
            due = stage.state is StageState.READY and stage.record.not_before_s <= now_s
            in_line = stage.launched_at_s is not None and stage.key.stage in except_stages
            return due and not in_line and stage.is_overdue(now_s, older_than_s)

        return self._suspects(limit, is_unstarted)

    def relaunch(self, suspect: Suspect) -> bool:
        """Count one more launch."""
        with self._lock:
            stage = self._stage(suspect.key)
            if stage is None or stage.state is not StageState.READY:
                return False
            if (stage.epoch, stage.record.launches) != (suspect.epoch, suspect.launches):
                return False
            stage.record = replace(stage.record, launches=suspect.launches + 1)
            stage.launched_at_s = self._now_s()
            stage.relaunches += 1
            return True

    def relaunch_all(self) -> int:
        """Count every ready stage as never launched."""
        with self._lock:
            ready = [stage for kept in self._unfinished() for stage in kept.pieces if stage.state is StageState.READY]
            launched = [stage for stage in ready if stage.launched_at_s is not None]
            for stage in launched:
                stage.launched_at_s = None
            return len(launched)

    def expire(self, *, at: datetime, limit: int) -> int:
        """Fail unfinished jobs whose deadline has passed."""
        with self._lock:
            late = [kept for kept in self._unfinished() if kept.job.deadline_at <= at]
            longest_first = sorted(late, key=lambda kept: kept.job.deadline_at)[:limit]
            for kept in longest_first:
                kept.expire(at)
            return len(longest_first)

    def resume_interrupted(self, *, at: datetime) -> int:
        """Make every running stage ready to be launched at once, counting no loss."""
        with self._lock:
            stages = [stage for kept in self._kept.values() for stage in kept.pieces]
            running = [stage for stage in stages if stage.state is StageState.RUNNING]
            for stage in running:
                stage.become(StageState.READY)
                stage.launched_at_s = None
                stage.cut_off("lost", at, worker_lost(stage.key.stage, stage.record.losses))
            for stage in stages:
                if stage.state is StageState.READY and stage.epoch > 0:
                    stage.launched_at_s = None
            return len(running)

    def _count_loss(self, stage: KeptStage, at: datetime) -> bool:
        losses = stage.record.losses + 1
        error = worker_lost(stage.key.stage, losses)
        stage.cut_off("lost", at, error)
        if losses < MAX_LOSSES:
            stage.launch(self._now_s(), losses=losses)
            return True
        stage.become(StageState.FAILED, losses=losses, error=error, finished_at=at)
        self._kept[stage.key.job_id].fail(error, at)
        return False

    def _has_lapsed(self, stage: KeptStage) -> bool:
        return stage.state is StageState.RUNNING and stage.lease_until_s < self._now_s()

    def _suspects(self, limit: int, is_suspect: Callable[[KeptStage], bool]) -> list[Suspect]:
        with self._lock:
            found = [kept.suspect(stage) for kept in self._unfinished() for stage in kept.pieces if is_suspect(stage)]
        return sorted(found, key=lambda suspect: priority_of(suspect.lane))[:limit]
