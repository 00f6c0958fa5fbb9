"""Batches: many jobs that came in one request, received in chunks and launched in turn.

receiving → running → finished
    │          ▲   └→ cancelling → cancelled
    └→ incomplete        the request was cut off; the same one with the same key goes on where it was

expanding → running      its items come of a source, such as a sitemap (`pipeline.sources`)

A batch holds its jobs back: the first stage of each waits until the keeper admits it in its turn (`pipeline.shares`).
One that is to start later is held until it is due.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any, Protocol

from pipeline.bulk import BulkRecords
from pipeline.errors import QuotaExceeded, TooManyBytes, TooManyJobs
from pipeline.idempotency import IdempotencyKey
from pipeline.job import Job, JobState, NewJob
from pipeline.pages import Page
from pipeline.sources import BatchProblem, BatchSource, SourcePlan, SourceRecords, Taken
from pipeline.spending import NOTHING, Spent
from pipeline.tenants import UNLIMITED, Allowance

MAX_ITEMS = 10_000
SHOWN_REJECTIONS = 100
NO_RUN = 0
"""Stands in an idempotency key for the run, where it names a batch and not a job."""
SILENCE = timedelta(seconds=60)
"""After so long without a chunk a request counts as cut off, whose process may have died."""
NOTHING_READ = sha256(b"").hexdigest()
"""The digest of no items."""


class BatchState(StrEnum):
    """How far a batch has come."""

    RECEIVING = "receiving"
    EXPANDING = "expanding"
    """Its sources are being read. What has come of them runs."""
    INCOMPLETE = "incomplete"
    """The request was cut off. What had come of it runs."""
    RUNNING = "running"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FINISHED = "finished"


OPEN_STATES = (BatchState.RECEIVING, BatchState.EXPANDING, BatchState.RUNNING, BatchState.CANCELLING)
"""Those in which something happens to a batch by itself, also where it has no jobs."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """An item that became no job."""

    index: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch before its first item."""

    id: str
    tenant_id: str
    name: str | None
    created_at: datetime
    plan: SourcePlan | None = None
    """Where its items come from, if not with the request."""
    digest_order: Mapping[str, Any] | None = None
    """What the job is to be like that summarizes its results, as a document; None for no such job."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some items in a row: each is a job or a rejection."""

    first: int
    """Index of the first of them: how many were received before."""
    jobs: Sequence[NewJob]
    rejections: Sequence[Rejection]
    digest: str
    """Of all items up to the last of these."""
    at: datetime
    is_last: bool = False

    @property
    def size(self) -> int:
        return len(self.jobs) + len(self.rejections)


def within(chunk: Chunk, allowed: Allowance, *, unended: int, bytes_today: int) -> Chunk:
    """The chunk with as many of its jobs as the tenant may have still, in order; the others are rejected."""
    kept: list[NewJob] = []
    refused: list[Rejection] = []
    for job in chunk.jobs:
        error = _over_quota(job, allowed, unended + len(kept), bytes_today, chunk.at)
        if error is None:
            kept.append(job)
            bytes_today += job.content_bytes
        else:
            refused.append(Rejection(job.batch_index or 0, error.code, str(error)))
    rejections = sorted([*chunk.rejections, *refused], key=lambda each: each.index)
    return replace(chunk, jobs=kept, rejections=rejections)


def _over_quota(job: NewJob, allowed: Allowance, unended: int, bytes_today: int, at: datetime) -> QuotaExceeded | None:
    if allowed.jobs_in_flight is not None and unended >= allowed.jobs_in_flight:
        return TooManyJobs(allowed.jobs_in_flight)
    if allowed.bytes_per_day is not None and bytes_today + job.content_bytes > allowed.bytes_per_day:
        return TooManyBytes(allowed.bytes_per_day, at)
    return None


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as recorded, with its jobs counted."""

    id: str
    tenant_id: str
    name: str | None
    created_at: datetime
    received: int
    """Items, rejected ones included."""
    rejected: int
    rejections: tuple[Rejection, ...]
    """The first `SHOWN_REJECTIONS`."""
    digest: str
    heard_at: datetime | None
    """When the latest chunk was recorded; None when the request is known to be cut off."""
    sealed_at: datetime | None
    """When the last item was received."""
    cancelled_at: datetime | None
    is_cancelling: bool
    """Whether there may be jobs to cancel still."""
    counts: Mapping[JobState, int]
    spent: Spent = NOTHING
    """On language models by those of its jobs that are kept still."""
    plan: SourcePlan | None = None
    sources: tuple[BatchSource, ...] = ()
    """In order; empty in listings."""
    digest_order: Mapping[str, Any] | None = None
    digest_job_id: str | None = None
    digest_state: JobState | None = None
    """Of that job; None where there is none, or none any more."""
    digest_problem: BatchProblem | None = None
    """Why there will be none."""

    @property
    def accepted(self) -> int:
        return self.received - self.rejected

    @property
    def unended(self) -> int:
        """Jobs that have not ended."""
        return sum(jobs for state, jobs in self.counts.items() if not state.is_terminal)

    @property
    def progress(self) -> int:
        """Jobs that have ended, in percent; those that were erased since then included."""
        return 100 * (self.accepted - self.unended) // self.accepted if self.accepted else 100

    @property
    def awaits_digest(self) -> bool:
        """Whether a digest is to be made still, or is being made."""
        if self.digest_order is None or self.digest_problem is not None:
            return False
        if self.digest_job_id is None:
            return self.sealed_at is not None and self.cancelled_at is None
        return self.digest_state is not None and not self.digest_state.is_terminal

    def state(self, now: datetime) -> BatchState:
        """What it is at this moment, as silence tells."""
        if self.is_cancelling:
            return BatchState.CANCELLING
        if self.cancelled_at is not None and not self.unended and not self.awaits_digest:
            return BatchState.CANCELLED
        if self.sealed_at is None and self.cancelled_at is None:
            if self.plan is not None:
                return BatchState.EXPANDING
            is_heard = self.heard_at is not None and now - self.heard_at < SILENCE
            return BatchState.RECEIVING if is_heard else BatchState.INCOMPLETE
        return BatchState.RUNNING if self.unended or self.awaits_digest else BatchState.FINISHED

    def is_over(self, now: datetime) -> bool:
        """Whether nothing more happens to it by itself."""
        return not self.unended and self.state(now) not in OPEN_STATES


@dataclass(frozen=True, slots=True)
class BatchKey:
    """Which batch."""

    tenant_id: str
    id: str


@dataclass(frozen=True, slots=True)
class CancellingBatch:
    """A batch that may have jobs to cancel still."""

    id: str
    tenant_id: str


def digest_of(before: str, item: bytes) -> str:
    """The digest of all items up to this one, from that of the items before it.

    >>> digest_of(NOTHING_READ, b'{"url": "https://example.org/"}')[:16]
    '56be24d30cf6b7a2'
    """
    return sha256(before.encode() + item).hexdigest()


class BatchRecords(BulkRecords, SourceRecords, Protocol):
    """The records, with what they keep of batches."""

    def open_batch(self, new: NewBatch, key: IdempotencyKey | None = None) -> Batch:
        """Record a batch without items, its first source if it has a plan, and its key.

        Raises what `check_key` raises, with `NO_RUN` for the run.
        """

    def accept_many(self, batch: Batch, chunk: Chunk, allowed: Allowance = UNLIMITED) -> Sequence[str]:
        """Record the next items of a batch in one transaction. The first stage of each job waits to be admitted.

        Jobs that the tenant may not have as well are rejected; returns their ids, as their content may be stored.

        When a job is due counts from the chunk's moment, on the record's own clock.
        Raises `BatchReceiving` unless exactly the items before them were received, by whomever, and `BatchCancelled`.
        """

    def take_entries(self, batch: Batch, taken: Taken, chunk: Chunk | None, allowed: Allowance = UNLIMITED) -> None:
        """Record a step in taking a source, with the items and the sources that it gives, in one transaction.

        The batch is sealed when it is full or none of its sources is open; those that are still open are left out
        then. Raises as `accept_many`, and `BatchReceiving` when the source was not taken exactly so far.
        """

    def cut_off(self, batch: Batch) -> None:
        """Say that no more items come now."""

    def batch(self, tenant_id: str, batch_id: str) -> Batch | None:
        """A batch; None when there is none such."""

    def batches(self, tenant_id: str, *, before: str | None, limit: int) -> Page[Batch]:
        """Batches, newest first, without their rejections. `before` is the id of the last one of the page before."""

    def batch_results(self, tenant_id: str, batch_id: str, *, after: str | None, limit: int) -> Sequence[Job]:
        """Ended jobs of a batch without their stages, by id. `after` is the id of the last one that was read."""

    def cancel_batch(self, tenant_id: str, batch_id: str, at: datetime) -> Batch:
        """Say that all of its jobs that have not ended are to be cancelled; it takes no more items.

        Changes nothing when all that came has ended. Raises `BatchNotFound`.
        """

    def cancel_held(self, batch_id: str, at: datetime, *, limit: int) -> Sequence[Job]:
        """Cancel jobs that were not admitted yet, in one transaction; returns them without their stages."""

    def unended_of(self, work: CancellingBatch, *, limit: int) -> Sequence[str]:
        """Ids of jobs that have not ended, those that read its sources or make its digest included."""

    def end_cancelling(self, batch_id: str) -> None:
        """Say that nothing is left to cancel."""

    def cancelling_batches(self) -> Sequence[CancellingBatch]:
        """Batches that are being cancelled, the oldest first."""

    def due_digests(self, *, limit: int) -> Sequence[BatchKey]:
        """Batches that are to have a digest, of which all items came and no job is unended, the oldest first."""

    def record_digest(self, key: BatchKey, job: NewJob, allowed: Allowance = UNLIMITED) -> bool | None:
        """Accept the job that makes the digest of a batch; None, and nothing, where none is due any more.

        Otherwise returns and raises as `accept`.
        """

    def refuse_digest(self, key: BatchKey, problem: BatchProblem) -> None:
        """Say why no digest is made of a batch that has none."""

    def forget_batches(self, *, before: datetime) -> int:
        """Erase batches recorded before this none of whose jobs is kept; returns how many."""
