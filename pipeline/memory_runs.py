"""The runs of a job in the records in memory."""

from dataclasses import replace

from pipeline.idempotency import IdempotencyKey
from pipeline.job import Job, JobState, StageState
from pipeline.memory_jobs import KeptJob, KeptStage, new_stage
from pipeline.memory_keys import MemoryKeys
from pipeline.memory_shares import MemoryShares
from pipeline.memory_tenants import MemoryTenants
from pipeline.runs import NewRun, RunSummary, first_to_run
from pipeline.tenants import UNLIMITED, Allowance


class MemoryRuns(MemoryKeys, MemoryShares, MemoryTenants):
    """Reading the runs of a job, and opening another."""

    def open_run(
        self,
        tenant_id: str,
        job_id: str,
        new: NewRun,
        key: IdempotencyKey | None = None,
        allowed: Allowance = UNLIMITED,
    ) -> Job:
        """Run a finished job again."""
        with self._lock:
            kept = self._require(tenant_id, job_id)
            if key is not None:
                self.check_key(key, new.at)
            start = first_to_run(kept.seen(), new.from_stage)
            self._require_room(tenant_id, allowed)
            self._use_key(key, kept.job.id, kept.job.run + 1, new.at)
            kept.past.append(replace(kept, past=[]))
            kept.parts = []
            kept.stages = [_next_stage(stage, start) for stage in kept.stages]
            kept.created_at, kept.origin, kept.from_stage = new.at, new.origin, kept.job.stage_names[start]
            kept.lane = new.lane or kept.job.lane
            kept.is_forgotten = False
            kept.job = _reopened(kept.job, new)
            self._launch_or_hold(kept, kept.stages[start])
            return kept.seen()

    def job(self, tenant_id: str, job_id: str, run: int | None = None) -> Job | None:
        """A job with the stages of its current run, or as it was in another."""
        with self._lock:
            kept = self._of_tenant(tenant_id, job_id)
            if kept is None:
                return None
            if run is None or run == kept.job.run:
                return replace(kept.seen(), spent=kept.spent)
            past = [earlier.seen() for earlier in kept.past if earlier.job.run == run]
            return replace(past[0], source=kept.job.source, discarded_at=None, spent=kept.spent) if past else None

    def runs(self, tenant_id: str, job_id: str) -> tuple[RunSummary, ...]:
        """All runs of a job in order."""
        with self._lock:
            kept = self._of_tenant(tenant_id, job_id)
            return () if kept is None else tuple(_summary(run) for run in kept.runs)


def _next_stage(stage: KeptStage, start: int) -> KeptStage:
    """The same stage in the next run, as succeeded if it is before the start."""
    key, done = stage.key, stage.record
    fresh = new_stage(key.job_id, key.run + 1, key.stage, done.position)
    if done.position < start:
        fresh.record = replace(
            fresh.record,
            state=StageState.SUCCEEDED,
            attempts=done.attempts,
            started_at=done.started_at,
            finished_at=done.finished_at,
            duration_s=done.duration_s,
            claim=done.claim,
        )
    return fresh


def _reopened(job: Job, new: NewRun) -> Job:
    return replace(
        job,
        state=JobState.QUEUED,
        run=job.run + 1,
        options=new.options or job.options,
        started_at=None,
        finished_at=None,
        deadline_at=new.deadline_at,
        error=None,
        result=None,
        discarded_at=None,
    )


def _summary(kept: KeptJob) -> RunSummary:
    job = kept.job
    return RunSummary(
        run=job.run,
        state=job.state,
        origin=kept.origin,
        from_stage=kept.from_stage,
        lane=kept.lane,
        created_at=kept.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        error=job.error,
        has_result=job.result is not None,
    )
