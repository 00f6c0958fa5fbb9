"""Batches: received item by item, launched in turn, cancelled as a whole."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache

from orchestration.orders import Order
from orchestration.submit import Desk, Submission, erase_objects
from pipeline import events
from pipeline.batches import (
    MAX_ITEMS,
    NOTHING_READ,
    Batch,
    BatchRecords,
    BatchState,
    CancellingBatch,
    Chunk,
    NewBatch,
    Rejection,
    digest_of,
)
from pipeline.errors import (
    AlreadyAnswered,
    BatchNotFound,
    BatchReceiving,
    IdempotencyKeyReused,
    JobFinished,
    JobNotFound,
    MachineryFailed,
    Refused,
)
from pipeline.events import Announcer
from pipeline.idempotency import IdempotencyKey
from pipeline.ids import uuid7
from pipeline.job import NewJob
from pipeline.sources import SourcePlan
from stages.contract import Clock

CANCELS_PER_TURN = 200
HELD_AT_ONCE = 400
"""Held jobs that are cancelled in one transaction."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an item cannot become a job."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a batch, as it was sent and as it was understood."""

    said: bytes
    wish: Submission | Fault


@dataclass(frozen=True, slots=True)
class BatchDesk:
    """Where batches are accepted and let go of."""

    records: BatchRecords
    jobs: Desk

    def open(
        self, tenant_id: str, name: str | None, key: IdempotencyKey | None = None, digest: Submission | None = None
    ) -> "Receiver":
        """Begin a batch, or go on with the one that the key names; `digest` is what one of its results is to be like.

        Raises `Refused`, `BatchReceiving` while another request sends it, `IdempotencyKeyReused`, or `MachineryFailed`.
        """
        batch, is_new = self._opened(self._new(tenant_id, name, digest=digest), key)
        if not is_new and batch.state(self.jobs.clock.now()) is BatchState.RECEIVING:
            raise BatchReceiving(batch.id)
        return Receiver(self, batch, key)

    def expand(
        self, order: Order, key: IdempotencyKey | None = None, digest: Submission | None = None
    ) -> tuple[Batch, bool]:
        """Begin a batch of what a source lists, or find that of the key.

        Returns the batch, and whether it is new. Raises `Refused`, `IdempotencyKeyReused` or `MachineryFailed`.
        """
        (pattern,) = order.items
        self.jobs.new(pattern)
        plan = replace(order, items=(self.jobs.pinned(pattern),)).plan
        new = self._new(pattern.tenant_id, order.batch_name, plan=plan, digest=digest)
        return self._opened(new, key)

    def _new(
        self, tenant_id: str, name: str | None, *, plan: SourcePlan | None = None, digest: Submission | None = None
    ) -> NewBatch:
        now = self.jobs.clock.now()
        if digest is not None:
            self.jobs.pipeline(digest)
            digest = self.jobs.pinned(digest)
        order = None if digest is None else Order((digest,)).document()["job"]
        return NewBatch(str(uuid7(now, self.jobs.random)), tenant_id, name, now, plan, order)

    def _opened(self, new: NewBatch, key: IdempotencyKey | None) -> tuple[Batch, bool]:
        try:
            return self.records.open_batch(new, key), True
        except AlreadyAnswered as earlier:
            return self.read(new.tenant_id, earlier.job_id), False

    def read(self, tenant_id: str, batch_id: str) -> Batch:
        """A batch. Raises `BatchNotFound`."""
        batch = self.records.batch(tenant_id, batch_id)
        if batch is None:
            raise BatchNotFound(batch_id)
        return batch

    def cancel(self, tenant_id: str, batch_id: str) -> Batch:
        """Cancel what has not ended: jobs that wait to be launched now, the others by the keeper.

        Raises `BatchNotFound`.
        """
        batch = self.records.cancel_batch(tenant_id, batch_id, self.jobs.clock.now())
        if batch.is_cancelling:
            while cancelled := self.records.cancel_held(batch.id, self.jobs.clock.now(), limit=HELD_AT_ONCE):
                self.jobs.announcer.announce(*map(events.over, cancelled))
        return self.read(tenant_id, batch_id)


class Receiver:
    """Takes the items of one batch in order. Skips those that an earlier request with the same key has sent."""

    def __init__(self, desk: BatchDesk, batch: Batch, key: IdempotencyKey | None) -> None:
        self._desk = desk
        self._known = batch
        self._key = key
        self._seen = 0
        self._digest = NOTHING_READ
        self.is_replay = batch.sealed_at is not None
        """Whether an earlier request has sent all items."""

    def take(self, items: Sequence[Item], *, is_last: bool = False) -> None:
        """Record the next items in one transaction.

        Raises `BatchReceiving` or `BatchCancelled` when the batch does not take them, and `IdempotencyKeyReused` when
        they are not those that the earlier request has sent.
        """
        first = max(self._seen, self._known.received)
        unknown = list(self._unknown(items))
        if self._known.sealed_at is None and (unknown or is_last):
            chunk = self._chunk(first, unknown, is_last=is_last)
            jobs, tenant_id = self._desk.jobs, self._known.tenant_id
            for job_id in self._desk.records.accept_many(self._known, chunk, jobs.allowed(tenant_id)):
                erase_objects(jobs.payloads, tenant_id, job_id)

    def finish(self, items: Sequence[Item] = ()) -> Batch:
        """Record the last items and return the batch. Raises as `take`."""
        self.take(items, is_last=True)
        if self._seen < self._known.received:
            raise self._other_request()
        return self._desk.read(self._known.tenant_id, self._known.id)

    def cut_off(self) -> None:
        """Say that the request has ended before its time."""
        with suppress(MachineryFailed):
            self._desk.records.cut_off(self._known)

    def _unknown(self, items: Sequence[Item]) -> Iterator[Item]:
        """Those that were not received before."""
        for item in items:
            self._digest = digest_of(self._digest, item.said)
            self._seen += 1
            if self._seen == self._known.received and self._digest != self._known.digest:
                raise self._other_request()
            if self._seen > self._known.received:
                if self._known.sealed_at is not None:
                    raise self._other_request()
                yield item

    def _chunk(self, first: int, items: Sequence[Item], *, is_last: bool) -> Chunk:
        wishes = [item.wish for item in items]
        return chunk_of(self._desk.jobs, self._known.id, wishes, first=first, digest=self._digest, is_last=is_last)

    def _other_request(self) -> IdempotencyKeyReused:
        return IdempotencyKeyReused("" if self._key is None else self._key.name)


def chunk_of(
    desk: Desk, batch_id: str, wishes: Sequence[Submission | Fault], *, first: int, digest: str, is_last: bool
) -> Chunk:
    """The next items of a batch as they will be recorded, with their contents stored. Raises `PayloadsUnavailable`."""
    now = desk.clock.now()
    # Most items name the same webhook, if any.
    desk = replace(desk, find_webhook=cache(desk.find_webhook))
    # In order, so that jobs are listed, launched and delivered in the order of the items.
    ids = sorted(str(uuid7(now, desk.random)) for _ in wishes)
    made = [_made(desk, wish, index, ids[index - first], now) for index, wish in enumerate(wishes, first)]
    return Chunk(
        first=first,
        jobs=[replace(each, batch_id=batch_id) for each in made if isinstance(each, NewJob)],
        rejections=[each for each in made if isinstance(each, Rejection)],
        digest=digest,
        at=desk.clock.now(),  # Storing contents takes its time.
        is_last=is_last,
    )


def _made(desk: Desk, wish: Submission | Fault, index: int, job_id: str, now: datetime) -> NewJob | Rejection:
    if index >= MAX_ITEMS:
        return Rejection(index, "too_many_items", f"a batch has at most {MAX_ITEMS} items")
    if isinstance(wish, Fault):
        return Rejection(index, wish.code, wish.message)
    try:
        job = desk.prepare(wish, job_id, now)
    except Refused as error:
        return Rejection(index, error.code, str(error))
    return replace(job, batch_index=index)


@dataclass(frozen=True, slots=True)
class BatchWork:
    """What the keeper does about batches, a little at a time."""

    records: BatchRecords
    announcer: Announcer
    clock: Clock

    def turn(self) -> int:
        """Cancel some jobs; returns how many. Raises `MachineryFailed`."""
        return sum(self._cancel(batch) for batch in self.records.cancelling_batches())

    def _cancel(self, batch: CancellingBatch) -> int:
        # Whoever was asked to may have died before all of them were.
        held = self.records.cancel_held(batch.id, self.clock.now(), limit=HELD_AT_ONCE)
        self.announcer.announce(*map(events.over, held))
        ids = self.records.unended_of(batch, limit=CANCELS_PER_TURN)
        for job_id in ids:
            # It may have ended by itself.
            with suppress(JobFinished, JobNotFound):
                job = self.records.request_cancel(batch.tenant_id, job_id, self.clock.now())
                self.announcer.announce(events.over(job))
        if not ids:
            self.records.end_cancelling(batch.id)
        return len(held) + len(ids)
