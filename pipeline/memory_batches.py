"""Batches in the records in memory."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pipeline.batches import (
    NO_RUN,
    NOTHING_READ,
    SHOWN_REJECTIONS,
    Batch,
    BatchKey,
    CancellingBatch,
    Chunk,
    NewBatch,
    within,
)
from pipeline.errors import BatchCancelled, BatchNotFound, BatchReceiving
from pipeline.idempotency import IdempotencyKey
from pipeline.ids import canonical_uuid
from pipeline.job import FIRST_RUN, Job, JobState
from pipeline.memory_bulk import MemoryBulk
from pipeline.memory_jobs import KeptJob, new_job, new_stage
from pipeline.memory_runs import MemoryRuns
from pipeline.memory_webhooks import MemoryWebhooks
from pipeline.pages import Page, newest
from pipeline.sources import OPEN, BatchProblem, BatchSource, SourceState
from pipeline.spending import total
from pipeline.tenants import UNLIMITED, Allowance
from stages.contract import Clock


class MemoryBatches(MemoryBulk, MemoryRuns, MemoryWebhooks):
    """Receiving batches, and handing out the jobs that they hold back."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._batches: dict[str, Batch] = {}

    def open_batch(self, new: NewBatch, key: IdempotencyKey | None = None) -> Batch:
        """Record a batch without items, and its key."""
        with self._lock:
            self._use_key(key, new.id, NO_RUN, new.created_at)
            self._batches[new.id] = Batch(
                id=new.id,
                tenant_id=new.tenant_id,
                name=new.name,
                created_at=new.created_at,
                plan=new.plan,
                received=0,
                rejected=0,
                rejections=(),
                digest=NOTHING_READ,
                heard_at=new.created_at,
                sealed_at=None,
                cancelled_at=None,
                is_cancelling=False,
                counts={},
                digest_order=new.digest_order,
                sources=() if new.plan is None else (BatchSource(0, new.plan.url, 0),),
            )
            return self._batches[new.id]

    def accept_many(self, batch: Batch, chunk: Chunk, allowed: Allowance = UNLIMITED) -> Sequence[str]:
        """Record the next items of a batch."""
        with self._lock:
            known = self._require_open(batch)
            if known.received != chunk.first:
                raise BatchReceiving(batch.id)
            unended, bytes_today = self._unended_jobs(batch.tenant_id), self._bytes_today(batch.tenant_id, chunk.at)
            kept = within(chunk, allowed, unended=unended, bytes_today=bytes_today)
            self._keep(kept)
            for job in kept.jobs:
                self._take_in(job, allowed)
            self._batches[batch.id] = _with_chunk(known, kept)
            known_ids = {job.id for job in kept.jobs}
            return [job.id for job in chunk.jobs if job.id not in known_ids]

    def _require_open(self, batch: Batch) -> Batch:
        known = self._batches.get(batch.id)
        if known is None:
            raise BatchNotFound(batch.id)
        if known.cancelled_at is not None:
            raise BatchCancelled(batch.id)
        if known.sealed_at is not None:
            raise BatchReceiving(batch.id)
        return known

    def cut_off(self, batch: Batch) -> None:
        """Say that no more items come now."""
        with self._lock:
            if self._batches[batch.id].sealed_at is None:
                self._change(batch.id, heard_at=None)

    def batch(self, tenant_id: str, batch_id: str) -> Batch | None:
        """A batch."""
        with self._lock:
            known = self._batches.get(canonical_uuid(batch_id) or "")
            return None if known is None or known.tenant_id != tenant_id else self._counted(known)

    def batches(self, tenant_id: str, *, before: str | None, limit: int) -> Page[Batch]:
        """Batches, newest first, without their rejections."""
        with self._lock:
            of_tenant = [self._counted(batch) for batch in self._batches.values() if batch.tenant_id == tenant_id]
        return newest((replace(each, rejections=(), sources=()) for each in of_tenant), before=before, limit=limit)

    def batch_results(self, tenant_id: str, batch_id: str, *, after: str | None, limit: int) -> Sequence[Job]:
        """Ended jobs of a batch, by id."""
        with self._lock:
            jobs = [kept.job for kept in self._of_batch(canonical_uuid(batch_id) or "")]
        ended = [job for job in jobs if job.tenant_id == tenant_id and job.state.is_terminal]
        return sorted((job for job in ended if after is None or job.id > after), key=lambda job: job.id)[:limit]

    def cancel_batch(self, tenant_id: str, batch_id: str, at: datetime) -> Batch:
        """Say that all of its jobs that have not ended are to be cancelled."""
        with self._lock:
            known = self.batch(tenant_id, batch_id)
            if known is None:
                raise BatchNotFound(batch_id)
            if known.unended or known.awaits_digest or known.sealed_at is None:
                sources = left_out(known.sources)
                self._change(known.id, cancelled_at=known.cancelled_at or at, is_cancelling=True, sources=sources)
            return self._counted(self._batches[known.id])

    def cancel_held(self, batch_id: str, at: datetime, *, limit: int) -> Sequence[Job]:
        """Cancel jobs that were not admitted yet."""
        with self._lock:
            taken = self._take_held(lambda held: held.batch_id == batch_id, limit)
            held = [self._kept[each.job_id] for each in taken if self._is_still_held(each)]
            for kept in held:
                kept.become(JobState.CANCELLED, finished_at=at)
                kept.cancel_rest(at)
            return [kept.job for kept in held]

    def unended_of(self, work: CancellingBatch, *, limit: int) -> Sequence[str]:
        """Ids of jobs that have not ended."""
        with self._lock:
            batch = self._batches[work.id]
            beside = {batch.digest_job_id, *(source.job_id for source in batch.sources)}
            found = [*(kept for job_id, kept in self._kept.items() if job_id in beside), *self._of_batch(work.id)]
            return [kept.job.id for kept in found if not kept.job.state.is_terminal][:limit]

    def end_cancelling(self, batch_id: str) -> None:
        """Say that nothing is left to cancel."""
        with self._lock:
            self._change(batch_id, is_cancelling=False)

    def cancelling_batches(self) -> Sequence[CancellingBatch]:
        """Batches that are being cancelled."""
        with self._lock:
            found = [batch for _, batch in sorted(self._batches.items()) if batch.is_cancelling]
            return [CancellingBatch(batch.id, batch.tenant_id) for batch in found]

    def due_digests(self, *, limit: int) -> Sequence[BatchKey]:
        """Batches that are to have a digest now."""
        with self._lock:
            found = [self._counted(batch) for _, batch in sorted(self._batches.items())]
            due = [each for each in found if each.awaits_digest and each.digest_job_id is None and not each.unended]
            return [BatchKey(each.tenant_id, each.id) for each in due][:limit]

    def refuse_digest(self, key: BatchKey, problem: BatchProblem) -> None:
        """Say why no digest is made of a batch."""
        with self._lock:
            if key in self.due_digests(limit=len(self._batches)):
                self._change(key.id, digest_problem=problem)

    def forget_batches(self, *, before: datetime) -> int:
        """Erase old batches."""
        with self._lock:
            kept = [batch for batch in self._batches.values() if batch.created_at < before]
            old = [each.id for each in kept if each.plan is None or each.sealed_at or each.cancelled_at]
            empty = [batch_id for batch_id in old if not self._of_batch(batch_id)]
            for batch_id in empty:
                del self._batches[batch_id]
            return len(empty)

    def _keep(self, chunk: Chunk) -> None:
        for job in chunk.jobs:
            stages = [new_stage(job.id, FIRST_RUN, name, position) for position, name in enumerate(job.stages)]
            kept = KeptJob(new_job(job), stages, job.created_at, job.lane, at_end=self._tell)
            self._kept[job.id] = kept
            self._hold(kept, stages[0], job.due_in_s(chunk.at))

    def _of_batch(self, batch_id: str) -> list[KeptJob]:
        return [kept for kept in self._kept.values() if kept.job.batch_id == batch_id]

    def _counted(self, batch: Batch) -> Batch:
        kept_jobs = self._of_batch(batch.id)
        counts = Counter(kept.job.state for kept in kept_jobs)
        digest = self._kept.get(batch.digest_job_id or "")
        state = None if digest is None else digest.job.state
        return replace(batch, counts=dict(counts), spent=total(kept.spent for kept in kept_jobs), digest_state=state)

    def _change(self, batch_id: str, **changes: object) -> None:
        self._batches[batch_id] = replace(self._batches[batch_id], **changes)  # type: ignore[arg-type]


def left_out(sources: Sequence[BatchSource]) -> tuple[BatchSource, ...]:
    """The sources where none is read any more."""
    return tuple(replace(each, state=SourceState.LEFT_OUT) if each.state in OPEN else each for each in sources)


def _with_chunk(batch: Batch, chunk: Chunk) -> Batch:
    return replace(
        batch,
        received=batch.received + chunk.size,
        rejected=batch.rejected + len(chunk.rejections),
        rejections=(*batch.rejections, *chunk.rejections)[:SHOWN_REJECTIONS],
        digest=chunk.digest,
        heard_at=chunk.at,
        sealed_at=chunk.at if chunk.is_last else None,
    )
