"""What the keeper does about batches whose items come of sources: has them read, and takes what they list."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from orchestration.batches import chunk_of
from orchestration.orders import order_from
from orchestration.submit import Desk, Submission
from pipeline.batches import Batch, BatchRecords, Chunk
from pipeline.errors import (
    BatchCancelled,
    BatchReceiving,
    MachineryFailed,
    PayloadLost,
    PayloadsUnavailable,
    QuotaExceeded,
    Refused,
)
from pipeline.job import JobState
from pipeline.sources import (
    MAX_DEPTH,
    MAX_SOURCES,
    BatchProblem,
    BatchSource,
    SourceKey,
    SourcePlan,
    SourceState,
    Taken,
    wanted,
)
from stages.contract import Document, Options
from stages.contract.nouns import ListEntry

log = logging.getLogger(__name__)

TURN_S = 2.0
"""After so long nothing more is begun in a turn: the keeper has other work, and has to show that it leads."""
ENDED_PER_TURN = 20
ITEMS_AT_ONCE = 500
"""That are recorded in one transaction."""
READING = ("fetch", "extract", "store")
"""What the job of a source runs through."""
LISTS_NOTHING = BatchProblem("nothing_listed", "It lists no pages: it is no sitemap, feed, OPML or list of URLs.")
ERASED = BatchProblem("job_not_found", "The job that read it was erased before its entries were taken.")
DEFECT = BatchProblem("internal_error", "A defect in the software stopped the batch here; see the keeper's log.")


@dataclass(frozen=True, slots=True)
class SourceWork:
    """A little of it at a time. Whoever dies has recorded how far it came."""

    records: BatchRecords
    jobs: Desk

    def turn(self) -> int:
        """Take what was read and have more read; returns how many sources had their turn.

        Raises `RecordsUnavailable`.
        """
        over_at_s = self.jobs.clock.monotonic() + TURN_S
        done = self._each(self.records.ended_sources(limit=ENDED_PER_TURN), self._take, over_at_s)
        return done + self._each(self.records.waiting_sources(), self._start, over_at_s)

    def _each(self, keys: Iterable[SourceKey], act: Callable[[Batch, BatchSource], None], over_at_s: float) -> int:
        done = 0
        for key in keys:
            if self.jobs.clock.monotonic() >= over_at_s:
                break
            batch = self.records.batch(key.tenant_id, key.batch_id)
            if batch is not None:
                self._act(batch, batch.sources[key.position], act)
                done += 1
        return done

    def _act(self, batch: Batch, source: BatchSource, act: Callable[[Batch, BatchSource], None]) -> None:
        try:
            act(batch, source)
        except (BatchCancelled, BatchReceiving):
            pass  # Somebody else did, or wants it no more.
        except PayloadsUnavailable as error:
            log.warning("source %s of batch %s is taken later: %s", source.position, batch.id, error)
        except MachineryFailed:
            raise
        except Exception:
            # A batch that meets a defect stands in no other's way.
            log.exception("source %s of batch %s met a defect", source.position, batch.id)
            self._give_up(batch, source.position, DEFECT)

    # reading

    def _start(self, batch: Batch, source: BatchSource) -> None:
        key = SourceKey(batch.tenant_id, batch.id, source.position)
        try:
            job = self.jobs.new(self._reading(batch, source))
            is_launched = self.records.start_source(key, job, self.jobs.allowed(batch.tenant_id))
        except QuotaExceeded as error:
            log.info("source %s of batch %s is read later: %s", source.position, batch.id, error)
        except Refused as error:
            self._give_up(batch, source.position, BatchProblem(error.code, str(error)))
        else:
            if is_launched is not None:
                self.jobs.begin(job, is_held=not is_launched)

    def _reading(self, batch: Batch, source: BatchSource) -> Submission:
        """The job that reads a source, in the manner of the items."""
        asked = _pattern(batch)
        options = Options(robots=asked.options.robots, max_age_s=asked.options.max_age_s)
        return Submission(url=source.url, stages=READING, options=options, lane=asked.lane, tenant_id=batch.tenant_id)

    # taking

    def _take(self, batch: Batch, source: BatchSource) -> None:
        found = self._read(batch, source)
        if isinstance(found, BatchProblem):
            self._give_up(batch, source.position, found)
            return
        plan = _plan(batch)
        known = self.records.urls_of(batch.tenant_id, batch.id)
        while source.state is SourceState.READING:
            step = _Step.of(found, source, known, plan, room=plan.limit - batch.received)
            self._record(batch, source, step, has_more=step.seen < len(found))
            again = self.records.batch(batch.tenant_id, batch.id)
            if again is None:
                return
            batch, source = again, again.sources[source.position]

    def _read(self, batch: Batch, source: BatchSource) -> Sequence[ListEntry] | BatchProblem:
        """What the source lists, or why that is not known."""
        job = self.records.job(batch.tenant_id, source.job_id or "")
        if job is None:
            return ERASED
        if job.state is not JobState.SUCCEEDED or job.result is None:
            return BatchProblem(job.error.code, job.error.message) if job.error else _cancelled()
        try:
            document = Document.from_bytes(self.jobs.payloads.get(job.result))
        except PayloadLost as error:
            return BatchProblem(error.code, "What was read of it is gone.")
        return document.entries or LISTS_NOTHING

    def _record(self, batch: Batch, source: BatchSource, step: "_Step", *, has_more: bool) -> None:
        nested, problem = _nested(batch, source, step.nested)
        is_full = len(step.pages) >= _plan(batch).limit - batch.received
        taken = Taken(
            key=SourceKey(batch.tenant_id, batch.id, source.position),
            seen_before=source.seen,
            seen=step.seen,
            state=SourceState.READING if has_more and not is_full else SourceState.TAKEN,
            at=self.jobs.clock.now(),
            nested=nested,
            problem=problem or source.problem,
            is_full=is_full,
        )
        chunk = self._chunk(batch, step.pages) if step.pages else None
        self.records.take_entries(batch, taken, chunk, self.jobs.allowed(batch.tenant_id))

    def _chunk(self, batch: Batch, urls: Sequence[str]) -> Chunk:
        pattern = _pattern(batch)
        wishes = [replace(pattern, url=url) for url in urls]
        return chunk_of(self.jobs, batch.id, wishes, first=batch.received, digest=batch.digest, is_last=False)

    def _give_up(self, batch: Batch, position: int, problem: BatchProblem) -> None:
        source = batch.sources[position]
        taken = Taken(
            key=SourceKey(batch.tenant_id, batch.id, position),
            seen_before=source.seen,
            seen=source.seen,
            state=SourceState.FAILED,
            at=self.jobs.clock.now(),
            problem=problem,
        )
        try:
            self.records.take_entries(batch, taken, None)
        except (BatchCancelled, BatchReceiving):
            log.info("source %s of batch %s was given up by somebody else", position, batch.id)


@dataclass(frozen=True, slots=True)
class _Step:
    """What is taken of a source in one transaction."""

    pages: tuple[str, ...]
    nested: tuple[str, ...]
    seen: int
    """Entries, up to the last of these."""

    @classmethod
    def of(
        cls, entries: Sequence[ListEntry], source: BatchSource, known: set[str], plan: SourcePlan, *, room: int
    ) -> "_Step":
        """As many new URLs as go into one transaction, and no more than there is room for."""
        pages: list[str] = []
        nested: list[str] = []
        seen = source.seen
        for entry in islice(entries, source.seen, None):
            if len(pages) >= min(room, ITEMS_AT_ONCE):
                break
            if url := wanted(entry, known, plan.since):
                (nested if entry.is_source else pages).append(url)
            seen += 1
        return cls(tuple(pages), tuple(nested), seen)


def _nested(batch: Batch, source: BatchSource, urls: tuple[str, ...]) -> tuple[tuple[str, ...], BatchProblem | None]:
    """Those that are read, and what there is to say of the others."""
    if urls and source.depth >= MAX_DEPTH:
        return (), BatchProblem("nested_too_deep", f"Lists are followed {MAX_DEPTH} deep; {len(urls)} more are not.")
    room = MAX_SOURCES - len(batch.sources)
    if len(urls) <= room:
        return urls, None
    message = f"A batch reads {MAX_SOURCES} lists; {len(urls) - room} more are not read."
    return urls[:room], BatchProblem("too_many_sources", message)


def _plan(batch: Batch) -> SourcePlan:
    assert batch.plan is not None  # noqa: S101  # only such batches have sources
    return batch.plan


def _pattern(batch: Batch) -> Submission:
    """What each item asks for; its URL stands for that of the item."""
    (item,) = order_from({"job": _plan(batch).job}, batch.tenant_id).items
    return item


def _cancelled() -> BatchProblem:
    return BatchProblem("cancelled", "The job that was to read it was cancelled.")
