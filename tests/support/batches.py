"""Batches to put into records."""

from random import Random
from typing import Any

from pipeline.batches import Batch, Chunk, NewBatch, Rejection, digest_of
from pipeline.idempotency import IdempotencyKey
from pipeline.ids import uuid7
from pipeline.job import NewJob
from pipeline.shares import Admitted
from tests.support.jobs import TENANT, new_job
from tests.support.tools import START

_random = Random(9)


def new_batch(**changes: Any) -> NewBatch:
    """A batch that begins at `START`."""
    created_at = changes.pop("created_at", START)
    values = {"id": str(uuid7(created_at, _random)), "tenant_id": TENANT, "name": None, "created_at": created_at}
    return NewBatch(**{**values, **changes})


def open_batch(records: Any, key: IdempotencyKey | None = None, **changes: Any) -> Batch:
    batch: Batch = records.open_batch(new_batch(**changes), key)
    return batch


def jobs_of(batch: Batch, number: int, first: int = 0, **changes: Any) -> list[NewJob]:
    about = {"tenant_id": batch.tenant_id, "batch_id": batch.id, **changes}
    return [new_job(**about, batch_index=index) for index in range(first, first + number)]


def chunk_of(jobs: list[NewJob], first: int = 0, *, rejections: tuple[Rejection, ...] = (), **changes: Any) -> Chunk:
    values = {"first": first, "jobs": jobs, "rejections": rejections, "at": START}
    return Chunk(**{**values, "digest": digest_of("", b"x"), **changes})


def full_batch(records: Any, number: int, **changes: Any) -> tuple[Batch, list[NewJob]]:
    """A batch with so many jobs, as it was received."""
    batch = open_batch(records, **changes)
    jobs = jobs_of(batch, number)
    records.accept_many(batch, chunk_of(jobs, is_last=True))
    return read_batch(records, batch), jobs


def admitted(records: Any, batch: Batch, limit: int = 10) -> list[Admitted]:
    """Runs of a batch that are held back no more; as many of each of its lines."""
    lines = [flow for flow in records.flows() if flow.name.startswith(batch.id)]
    return list(records.admit(dict.fromkeys(lines, limit)))


def read_batch(records: Any, batch: Batch) -> Batch:
    found: Batch = records.batch(batch.tenant_id, batch.id)
    return found
