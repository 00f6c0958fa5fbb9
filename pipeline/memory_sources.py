"""Sources of batches in the records in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pipeline.batches import Batch, Chunk
from pipeline.errors import BatchReceiving
from pipeline.ids import canonical_uuid
from pipeline.memory_batches import MemoryBatches, left_out
from pipeline.sources import SOURCES_AT_ONCE, BatchSource, SourceKey, SourceState, Taken
from pipeline.tenants import UNLIMITED, Allowance


class MemorySources(MemoryBatches):
    """What is to be read for batches, and taking it."""

    def ended_sources(self, *, limit: int) -> Sequence[SourceKey]:
        """Sources that have been read."""
        with self._lock:
            reading = [key for key in self._sources(SourceState.READING) if self._is_read(key)]
            return reading[:limit]

    def waiting_sources(self) -> Sequence[SourceKey]:
        """The next source of each batch that is to be read."""
        with self._lock:
            busy = [key.batch_id for key in self._sources(SourceState.READING)]
            first: dict[str, SourceKey] = {}
            for key in self._sources(SourceState.WAITING):
                if busy.count(key.batch_id) < SOURCES_AT_ONCE:
                    first.setdefault(key.batch_id, key)
            return list(first.values())

    def take_entries(self, batch: Batch, taken: Taken, chunk: Chunk | None, allowed: Allowance = UNLIMITED) -> None:
        """Record a step in taking a source of a batch."""
        with self._lock:
            known = self._require_open(batch)
            source = known.sources[taken.key.position]
            if source.state is not SourceState.READING or source.seen != taken.seen_before:
                raise BatchReceiving(batch.id)
            if chunk is not None:
                self.accept_many(batch, chunk, allowed)
            found = source.found + (0 if chunk is None else chunk.size)
            done = replace(source, state=taken.state, seen=taken.seen, found=found, problem=taken.problem)
            self._take_on(known, done, taken)

    def urls_of(self, tenant_id: str, batch_id: str) -> set[str]:
        """The URLs of all jobs and sources of a batch."""
        with self._lock:
            batch = self.batch(tenant_id, batch_id)
            of_sources = set() if batch is None else {source.url for source in batch.sources}
            jobs = [kept.job for kept in self._of_batch(canonical_uuid(batch_id) or "")]
            return of_sources | {job.source.url for job in jobs if job.tenant_id == tenant_id and job.source.url}

    def _take_on(self, batch: Batch, done: BatchSource, taken: Taken) -> None:
        added = [BatchSource(n, url, done.depth + 1) for n, url in enumerate(taken.nested, len(batch.sources))]
        sources = _with(batch.sources, done) + tuple(added)
        if taken.is_full:
            sources = left_out(sources)
        is_over = not any(source.state.is_open for source in sources)
        sealed_at: datetime | None = taken.at if is_over else None
        self._change(batch.id, sources=sources, sealed_at=sealed_at)

    def _begin(self, key: SourceKey, job_id: str) -> None:
        batch = self._batches[key.batch_id]
        source = replace(batch.sources[key.position], state=SourceState.READING, job_id=job_id)
        self._change(batch.id, sources=_with(batch.sources, source))

    def _is_waiting(self, key: SourceKey) -> bool:
        return key in self._sources(SourceState.WAITING)

    def _sources(self, state: SourceState) -> list[SourceKey]:
        """Of open batches, the oldest one first."""
        found = [each for _, each in sorted(self._batches.items()) if not each.sealed_at and not each.cancelled_at]
        return [
            SourceKey(batch.tenant_id, batch.id, source.position)
            for batch in found
            for source in batch.sources
            if source.state is state
        ]

    def _is_read(self, key: SourceKey) -> bool:
        kept = self._kept.get(self._batches[key.batch_id].sources[key.position].job_id or "")
        return kept is None or kept.job.state.is_terminal


def _with(sources: Sequence[BatchSource], changed: BatchSource) -> tuple[BatchSource, ...]:
    return tuple(changed if each.position == changed.position else each for each in sources)
