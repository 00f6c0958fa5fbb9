"""Batches that expand: the jobs that read their sources, and the items that come of them."""

from sqlalchemy import Connection, update

from orchestration.storage import records_batches, records_jobs
from orchestration.storage import records_sources as sources
from orchestration.storage.schema import batches
from pipeline.batches import Batch, Chunk
from pipeline.errors import BatchReceiving
from pipeline.job import NewJob
from pipeline.sources import SourceKey, SourceState, Taken
from pipeline.tenants import Allowance


def start_source(connection: Connection, key: SourceKey, job: NewJob, allowed: Allowance) -> bool | None:
    row = records_batches.locked_row(connection, key.batch_id)
    source = sources.find(connection, key)
    is_open = row is not None and row.sealed_at is None and row.cancelled_at is None
    if not is_open or source is None or source.state is not SourceState.WAITING:
        return None
    is_launched = records_jobs.accept(connection, job, None, allowed)
    sources.begin(connection, key, job.id)
    return is_launched


def take_entries(connection: Connection, batch: Batch, taken: Taken, chunk: Chunk | None, allowed: Allowance) -> None:
    records_batches.require_open(connection, batch)
    source = sources.find(connection, taken.key)
    if source is None or source.state is not SourceState.READING or source.seen != taken.seen_before:
        raise BatchReceiving(batch.id)
    if chunk is not None:
        records_batches.accept_many(connection, batch, chunk, allowed)
    first = sources.count(connection, batch.id)
    sources.add(connection, taken.key, taken.nested, first=first, depth=source.depth + 1)
    sources.record(connection, taken, 0 if chunk is None else chunk.size)
    if taken.is_full:
        sources.leave_out(connection, batch.id)
    if not sources.has_open(connection, batch.id):
        connection.execute(update(batches).where(batches.c.id == batch.id).values(sealed_at=taken.at))
