"""Forgetting in the records in memory."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from pipeline.errors import JobUnfinished
from pipeline.ids import Claim
from pipeline.job import Job, JobState
from pipeline.memory_jobs import KeptJob, KeptStage
from pipeline.memory_store import MemoryStore
from pipeline.ports import Retention


class MemoryRetention(MemoryStore):
    """Forgetting outputs, then whole jobs."""

    def expire_payloads(self, at: datetime, older: Retention, limit: int) -> list[Claim]:
        """Forget the intermediate outputs of jobs that succeeded long ago."""
        until = at - timedelta(seconds=older.intermediates_s)
        with self._lock:
            kept = [kept for kept in self._finished(JobState.SUCCEEDED, until) if not kept.is_forgotten]
            return [claim for each in kept[:limit] for claim in _forget(each)]

    def expired_jobs(self, at: datetime, older: Retention, limit: int) -> list[tuple[str, str]]:
        """Finished jobs that need not be kept any more."""
        with self._lock:
            found = self._expired(at, older)
        return [(job.tenant_id, job.id) for job in found[:limit]]

    def purge_expired(self, job_id: str, at: datetime, older: Retention) -> bool:
        """Erase a job if it need not be kept any more."""
        with self._lock:
            if job_id not in {job.id for job in self._expired(at, older)}:
                return False
            del self._kept[job_id]
            return True

    def purge(self, tenant_id: str, job_id: str) -> Job:
        """Erase a finished job."""
        with self._lock:
            kept = self._require(tenant_id, job_id)
            if not kept.job.state.is_terminal:
                raise JobUnfinished(job_id, kept.job.state)
            return self._kept.pop(kept.job.id).seen()

    def known_jobs(self, ids: Collection[str]) -> set[str]:
        """Which of these are ids of jobs."""
        with self._lock:
            return {job_id for job_id in ids if job_id in self._kept}

    def _expired(self, at: datetime, older: Retention) -> list[Job]:
        ends = {state: at - timedelta(seconds=older.kept_s(state)) for state in JobState if state.is_terminal}
        return [kept.job for state, until in ends.items() for kept in self._finished(state, until)]

    def _finished(self, state: JobState, until: datetime) -> list[KeptJob]:
        """The oldest first."""
        ends = [
            (kept.job.finished_at, kept)
            for kept in self._kept.values()
            if kept.job.state is state and kept.job.finished_at is not None and kept.job.finished_at <= until
        ]
        return [kept for _, kept in sorted(ends, key=lambda end: end[0])]


def _forget(kept: KeptJob) -> list[Claim]:
    results = {run.job.result for run in kept.runs}
    outputs = [(stage, claim) for stage, claim in _outputs(kept) if claim not in results]
    for stage, _ in outputs:
        stage.record = replace(stage.record, claim=None)
    inputs = [part.input for run in kept.runs for part in run.parts if part.input is not None]
    for part in (part for run in kept.runs for part in run.parts):
        part.input = None
    body = kept.job.source.body
    kept.is_forgotten = True
    kept.job = replace(kept.job, source=replace(kept.job.source, body=None))
    claims = [*([body] if body else []), *(claim for _, claim in outputs), *inputs]
    return list({claim.key: claim for claim in claims}.values())


def _outputs(kept: KeptJob) -> Iterator[tuple[KeptStage, Claim]]:
    return ((stage, stage.record.claim) for run in kept.runs for stage in run.pieces if stage.record.claim is not None)
