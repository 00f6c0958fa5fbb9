"""Finding jobs in the records in memory, and discarding dead letters."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pipeline.errors import JobFinished, JobUnfinished
from pipeline.job import FIRST_RUN, PLACES, Job, JobState
from pipeline.memory_jobs import KeptJob
from pipeline.memory_spending import MemorySpending
from pipeline.pages import Page, newest
from pipeline.ports import JobFilter, Tally
from pipeline.urls import host_of, searched_form


class MemoryListing(MemorySpending):
    """Listing, counting and discarding jobs."""

    def jobs(self, tenant_id: str, where: JobFilter, *, before: str | None, limit: int) -> Page[Job]:
        """Jobs, newest first, without their stages."""
        return newest(self._meant(tenant_id, where), before=before, limit=limit)

    def tally(self) -> Tally:
        """Count what is worth an alarm."""
        with self._lock:
            jobs, spent = [kept.job for kept in self._kept.values()], self._spent_by_model()
        dead = [job for job in jobs if job.state is JobState.FAILED and job.discarded_at is None]
        return Tally(
            unfinished=Counter(job.state for job in jobs if not job.state.is_terminal),
            dead_letters=Counter((job.error.code, job.error.stage or "") for job in dead if job.error is not None),
            spent=spent,
        )

    def done_before(self, tenant_id: str, likeness: str, since: datetime) -> Job | None:
        """The newest job that is alike and succeeded in its first run."""
        with self._lock:
            done = [kept.job for kept in self._kept.values() if kept.job.state is JobState.SUCCEEDED]
        alike = [
            (job.finished_at, job.id, job)
            for job in done
            if (job.tenant_id, job.run) == (tenant_id, FIRST_RUN)
            and job.finished_at
            and job.finished_at >= since
            and job.source.likeness(job.stage_names, job.options) == likeness
        ]
        return max(alike)[2] if alike else None

    def endings(self, after: datetime, before: datetime, *, beyond: str | None = None, limit: int) -> Sequence[Job]:
        """Jobs that ended in this time, the first one first."""
        with self._lock:
            ended = [kept.job for kept in self._kept.values() if kept.job.state.is_terminal]
        found = [(job.finished_at, job.id, job) for job in ended if job.finished_at is not None]
        placed = sorted(each for each in found if (after, beyond or "") < each[:2] and each[0] <= before)
        return [job for _, _, job in placed[:limit]]

    def count(self, tenant_id: str, where: JobFilter) -> int:
        """How many jobs are meant."""
        return len(self._meant(tenant_id, where))

    def discard(self, tenant_id: str, job_id: str, at: datetime) -> Job:
        """Say that a failed job needs no more attention."""
        with self._lock:
            kept = self._require(tenant_id, job_id)
            if not kept.job.state.is_terminal:
                raise JobUnfinished(job_id, kept.job.state)
            if kept.job.state is not JobState.FAILED:
                raise JobFinished(job_id, kept.job.state)
            kept.job = replace(kept.job, discarded_at=kept.job.discarded_at or at)
            return kept.seen()

    def _meant(self, tenant_id: str, where: JobFilter) -> list[Job]:
        with self._lock:
            of_tenant = [kept for kept in self._kept.values() if kept.job.tenant_id == tenant_id]
            return [kept.job for kept in of_tenant if _is_meant(kept.job, where) and _is_at(kept, where.stage)]


def _is_at(kept: KeptJob, stage: str | None) -> bool:
    return stage is None or stage in {each.key.stage for each in kept.stages if each.state in PLACES}


def _is_meant(job: Job, where: JobFilter) -> bool:
    return (
        (not where.states or job.state in where.states)
        and where.code in (None, job.error and job.error.code)
        and where.pipeline in (None, job.pipeline)
        and where.lane in (None, job.lane)
        and set(where.tags) <= set(job.terms.tags)
        and _is_from(job.source.url, where)
        and (where.created_after is None or where.created_after <= job.created_at)
        and (where.created_before is None or job.created_at < where.created_before)
        and where.discarded in (None, job.discarded_at is not None)
        and where.batch_id in (None, job.batch_id)
    )


def _is_from(url: str | None, where: JobFilter) -> bool:
    if url is None:
        return where.host is None and where.url is None
    return where.host in (None, host_of(url)) and searched_form(url).startswith(where.url or "")
