"""Batches in the records in SQL: which transaction each method is."""

from collections.abc import Sequence
from datetime import datetime

from orchestration.storage import records_batches as batches
from orchestration.storage import records_digests as digests
from orchestration.storage import records_expanding as expanding
from orchestration.storage import records_sources as sources
from orchestration.storage.engine import Database
from pipeline.batches import Batch, BatchKey, CancellingBatch, Chunk, NewBatch
from pipeline.idempotency import IdempotencyKey
from pipeline.job import Job, NewJob
from pipeline.pages import Page
from pipeline.sources import BatchProblem, SourceKey, Taken
from pipeline.tenants import UNLIMITED, Allowance


class SqlBatches:
    """The part of `SqlRecords` that batches need."""

    _database: Database

    def open_batch(self, new: NewBatch, key: IdempotencyKey | None = None) -> Batch:
        """Record a batch without items, and its key."""
        with self._database.write(durable=True) as connection:
            return batches.open_batch(connection, new, key)

    def accept_many(self, batch: Batch, chunk: Chunk, allowed: Allowance = UNLIMITED) -> Sequence[str]:
        """Record the next items of a batch."""
        with self._database.write(durable=True) as connection:
            return batches.accept_many(connection, batch, chunk, allowed)

    def take_entries(self, batch: Batch, taken: Taken, chunk: Chunk | None, allowed: Allowance = UNLIMITED) -> None:
        """Record a step in taking a source of a batch."""
        with self._database.write(durable=True) as connection:
            expanding.take_entries(connection, batch, taken, chunk, allowed)

    def start_source(self, key: SourceKey, job: NewJob, allowed: Allowance = UNLIMITED) -> bool | None:
        """Accept the job that reads a source."""
        with self._database.write(durable=True) as connection:
            return expanding.start_source(connection, key, job, allowed)

    def ended_sources(self, *, limit: int) -> Sequence[SourceKey]:
        """Sources that have been read."""
        with self._database.read() as connection:
            return sources.ended(connection, limit)

    def waiting_sources(self) -> Sequence[SourceKey]:
        """The next source of each batch that is to be read."""
        with self._database.read() as connection:
            return sources.waiting(connection)

    def urls_of(self, tenant_id: str, batch_id: str) -> set[str]:
        """The URLs of all jobs and sources of a batch."""
        with self._database.read() as connection:
            return sources.urls_of(connection, tenant_id, batch_id)

    def cut_off(self, batch: Batch) -> None:
        """Say that no more items come now."""
        with self._database.write() as connection:
            batches.cut_off(connection, batch)

    def batch(self, tenant_id: str, batch_id: str) -> Batch | None:
        """A batch."""
        with self._database.read() as connection:
            return batches.read(connection, tenant_id, batch_id)

    def batches(self, tenant_id: str, *, before: str | None, limit: int) -> Page[Batch]:
        """Batches, newest first, without their rejections."""
        with self._database.read() as connection:
            return batches.page(connection, tenant_id, before, limit)

    def batch_results(self, tenant_id: str, batch_id: str, *, after: str | None, limit: int) -> Sequence[Job]:
        """Ended jobs of a batch, by id."""
        with self._database.read() as connection:
            return batches.results(connection, tenant_id, batch_id, after, limit)

    def cancel_batch(self, tenant_id: str, batch_id: str, at: datetime) -> Batch:
        """Say that all of its jobs that have not ended are to be cancelled."""
        with self._database.write(durable=True) as connection:
            return batches.cancel(connection, tenant_id, batch_id, at)

    def cancel_held(self, batch_id: str, at: datetime, *, limit: int) -> Sequence[Job]:
        """Cancel jobs that were not admitted yet."""
        with self._database.write(durable=True) as connection:
            return batches.cancel_held(connection, batch_id, at, limit)

    def unended_of(self, work: CancellingBatch, *, limit: int) -> Sequence[str]:
        """Ids of jobs that have not ended."""
        with self._database.read() as connection:
            return batches.unended(connection, work, limit)

    def end_cancelling(self, batch_id: str) -> None:
        """Say that nothing is left to cancel."""
        with self._database.write() as connection:
            batches.end_cancelling(connection, batch_id)

    def cancelling_batches(self) -> Sequence[CancellingBatch]:
        """Batches that are being cancelled."""
        with self._database.read() as connection:
            return batches.being_cancelled(connection)

    def due_digests(self, *, limit: int) -> Sequence[BatchKey]:
        """Batches that are to have a digest now."""
        with self._database.read() as connection:
            return digests.due(connection, limit)

    def record_digest(self, key: BatchKey, job: NewJob, allowed: Allowance = UNLIMITED) -> bool | None:
        """Accept the job that makes the digest of a batch."""
        with self._database.write(durable=True) as connection:
            return digests.record(connection, key, job, allowed)

    def refuse_digest(self, key: BatchKey, problem: BatchProblem) -> None:
        """Say why no digest is made of a batch."""
        with self._database.write(durable=True) as connection:
            digests.refuse(connection, key, problem)

    def forget_batches(self, *, before: datetime) -> int:
        """Erase old batches."""
        with self._database.write() as connection:
            return batches.forget(connection, before)
