"""The client that blocks."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import date
from random import Random
from typing import Self, TypeVar, Unpack

import httpx
from tenacity import Retrying

from api.client import calls, waiting
from api.client.blocking_schedules import Schedules
from api.client.calls import Call, FileOptions, JobFields, JobFilters, JobOptions, SubmissionFields
from api.client.core import DEFAULT_URL, NO_STREAM, PASSING, RETRY_WITHIN_S, TIMEOUT_S, Core, Trial, translated
from api.client.errors import PenstockError
from api.client.feed import Feed
from api.client.files import Source, name_of, opened
from api.client.results import Results
from api.client.streaming import Stream
from api.client.waiting import Wait
from api.schemas import MAX_PAGE, JobSummary, JobView, RerunAccepted, Submitted
from api.schemas_batches import BatchResult, BatchSummary, BatchView
from api.schemas_breakers import BreakerList
from api.schemas_bulk import BulkActionView
from api.schemas_events import StreamEvent
from api.schemas_queues import QueueList, WorkerList
from api.schemas_usage import Groups, UsageReport
from pipeline.job import Lane
from stages.contract import Clock, Document, Processing

T = TypeVar("T")


class Penstock(Schedules):
    """Speaks to one service. May be used by several threads; close it, or use it in a `with` block.

    Every method raises `PenstockError`. What may pass is tried again for `retry_within_s` seconds.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        retry_within_s: float = RETRY_WITHIN_S,
        transport: httpx.BaseTransport | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`timeout_s` is for one request. Raises `ValueError` for what is no URL or no key."""
        self._core = Core(url, api_key, timeout_s=timeout_s, retry_within_s=retry_within_s, clock=clock, random=random)
        self._http = httpx.Client(
            base_url=self._core.url,
            headers=self._core.headers,
            trust_env=self._core.trust_env,
            transport=transport,
        )
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._core.where!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def submit(self, *, idempotency_key: str | None = None, **job: Unpack[SubmissionFields]) -> Submitted:
        """Submit a job: `url`, `html` or `text`, and options.

        It is sent again until an answer comes, and makes one job. A key of your own makes that true across restarts
        of your program, too: the same submission with the same key finds its job for 24 hours.
        """
        return self._call(calls.submit(job, idempotency_key or self._core.new_key()))

    def submit_file(
        self,
        file: Source,
        *,
        name: str | None = None,
        content_type: str | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[FileOptions],
    ) -> Submitted:
        """Submit a job with a file as its input, read from disk while it is sent.

        `file` is a path, or a file that is open for bytes and can be sought; it is sent from its beginning. `name`
        and `content_type` are taken from it unless given. It is sent again as in `submit`. Raises `OSError`, and
        `InvalidRequest` where the service takes no files without an API key.
        """
        key = idempotency_key or self._core.new_key()
        with opened(file) as body:
            return self._call(calls.submit_file(body, name or name_of(file), content_type, options, key))

    def run(
        self,
        *,
        timeout_s: float | None = None,
        on_event: Callable[[StreamEvent], object] | None = None,
        **job: Unpack[SubmissionFields],
    ) -> Document:
        """Submit a job, wait for its end and return its result.

        `on_event` is told what happens meanwhile. Raises `NotSucceeded`, which has the job, and `WaitTimedOut` after
        `timeout_s` seconds; the job goes on then.
        """
        over_at = self._core.over_at(timeout_s)
        job_id = self.submit(**job).id
        for event in self._events_if_any(Feed(self._core, job_id, over_at)):
            if on_event is not None:
                on_event(event)
        return self.result(waiting.succeeded(self._wait(job_id, over_at)))

    def job(self, job_id: str, *, run: int | None = None) -> JobView:
        """A job as it is, or as it was in one of its runs. Raises `JobNotFound`, `RunNotFound`."""
        return self._call(calls.job(job_id, run))

    def wait(self, job_id: str, timeout_s: float | None = None) -> JobView:
        """The job once it has ended, however it did. Raises `WaitTimedOut` after `timeout_s` seconds."""
        return self._wait(job_id, self._core.over_at(timeout_s))

    def result(self, job_id: str, *, run: int | None = None) -> Document:
        """The final document. Raises `JobUnfinished`, `JobFailed`, `JobCancelled`, `ResultLost`."""
        return self._call(calls.result(job_id, run))

    def iter_events(self, job_id: str | None = None) -> Iterator[StreamEvent]:
        """What happened to a job and what happens, until it has ended; or what happens to all jobs from now on.

        Connects again by itself and goes on after the last event. What the service has forgotten by then comes as a
        `Snapshot` of the job, or as a `Gap` in the events of all. While a language model writes the summary of a job,
        it comes in pieces (`SummaryDelta`).
        """
        return self._streamed(Feed(self._core, job_id))

    def iter_jobs(self, *, page_size: int = MAX_PAGE, **filters: Unpack[JobFilters]) -> Iterator[JobSummary]:
        """Jobs, newest first, all that match; further pages are asked for as they are needed."""
        page = self._call(calls.jobs(filters, page_size))
        yield from page.items
        while page.next is not None:
            page = self._call(calls.page(page.next))
            yield from page.items

    def cancel(self, job_id: str) -> JobView:
        """Cancel a job that has not ended. Raises `JobFinished`."""
        return self._call(calls.cancel(job_id))

    def usage(self, first: date | None = None, last: date | None = None, *, by: Groups = "day") -> UsageReport:
        """What language models cost, by day (UTC) or by model: of the last month unless other days are given."""
        return self._call(calls.usage(first, last, by))

    def retry(self, job_id: str) -> RerunAccepted:
        """Continue a failed or cancelled job where it stopped.

        Raises `JobUnfinished`, `JobFinished`, `InputExpired`.
        """
        return self._call(calls.retry(job_id, self._core.new_key()))

    def replay(self, job_id: str, from_stage: str, *, processing: Processing | None = None) -> RerunAccepted:
        """Start a finished job again from a stage. Raises `JobUnfinished`, `InputExpired`, `UnknownStage`."""
        return self._call(calls.replay(job_id, from_stage, processing, self._core.new_key()))

    def purge(self, job_id: str) -> None:
        """Erase a finished job with all that is kept of it. Raises `JobUnfinished`."""
        self._call(calls.purge(job_id))

    def submit_batch(
        self,
        items: Iterable[JobFields],
        *,
        name: str | None = None,
        lane: Lane | str | None = None,
        digest: bool = False,
        idempotency_key: str | None = None,
    ) -> BatchView:
        """Submit many jobs. `items` may be a generator: each is sent as it comes, and kept in memory until the answer.

        It is sent again until an answer comes, and makes one batch, with the key as in `submit`. Items that cannot
        become jobs are in `rejected`. `lane` is for those that do not say theirs, `bulk` unless given. With
        `digest` one more job summarizes all results.
        """
        return self._call(calls.submit_batch(items, name, lane, idempotency_key or self._core.new_key(), digest=digest))

    def submit_source(
        self,
        url: str,
        *,
        limit: int | None = None,
        since: date | None = None,
        name: str | None = None,
        digest: bool = False,
        idempotency_key: str | None = None,
        **defaults: Unpack[JobOptions],
    ) -> BatchView:
        """Submit a batch of what a sitemap, a feed, an OPML file or a list of URLs names, which is read afterwards.

        `limit` items at most, none that is said to be older than `since`, each with these options; sent again as
        `submit_batch`. `sources` says what came of the list, and of those that it names.
        """
        source = calls.source_fields(url, limit, since)
        key = idempotency_key or self._core.new_key()
        return self._call(calls.submit_source(source, defaults, name, key, digest=digest))

    def batch(self, batch_id: str) -> BatchView:
        """How far a batch has come. Raises `NotFound`."""
        return self._call(calls.batch(batch_id))

    def wait_batch(self, batch_id: str, timeout_s: float | None = None) -> BatchView:
        """A batch once nothing more happens to it by itself, however its jobs ended.

        Raises `WaitTimedOut` after `timeout_s` seconds.
        """
        over_at = self._core.over_at(timeout_s)
        return self._followed(waiting.wait_batch(self._core, batch_id, over_at), over_at)

    def iter_batch_results(self, batch_id: str) -> Iterator[BatchResult]:
        """How the jobs of a batch ended that have ended by now, in the order of the items, one at a time.

        Connects again by itself, and goes on with the next item.
        """
        return self._streamed(Results(self._core, batch_id))

    def iter_batches(self, *, page_size: int = MAX_PAGE) -> Iterator[BatchSummary]:
        """Batches, newest first; further pages are asked for as they are needed."""
        page = self._call(calls.batches(page_size))
        yield from page.items
        while page.next is not None:
            page = self._call(calls.batch_page(page.next))
            yield from page.items

    def cancel_batch(self, batch_id: str) -> BatchView:
        """Cancel all jobs of a batch that have not ended; those in work end within seconds."""
        return self._call(calls.cancel_batch(batch_id))

    def retry_failed(self, batch_id: str) -> BulkActionView:
        """Continue all jobs of a batch that failed where they stopped. The keeper does so, some a second."""
        return self._call(calls.retry_failed(batch_id))

    def queues(self) -> QueueList:
        """What waits at each stage, since when, and who works on it. Needs a key with the scope `admin`."""
        return self._call(calls.queues())

    def workers(self) -> WorkerList:
        """The worker processes that live. Needs a key with the scope `admin`."""
        return self._call(calls.workers())

    def breakers(self) -> BreakerList:
        """Circuit breakers that are open or have counted a failure. Needs a key with the scope `admin`."""
        return self._call(calls.breakers())

    def _call(self, call: Call[T], over_at: float = math.inf) -> T:
        trial = Trial(self._core, call, over_at)
        answer: T = Retrying(sleep=self._sleep, **trial.policy)(self._try, trial)
        return answer

    def _try(self, trial: Trial[T]) -> T:
        with translated():
            answer = self._http.request(**trial.request())
        return trial.read(answer)

    def _wait(self, job_id: str, over_at: float) -> JobView:
        return self._followed(waiting.wait(self._core, job_id, over_at), over_at)

    def _followed(self, flow: Wait[T], over_at: float) -> T:
        answer: T | None = None
        while True:
            try:
                step = flow.send(answer)
            except StopIteration as end:
                ended: T = end.value
                return ended
            if isinstance(step, Call):
                answer = self._call(step, over_at)
            else:
                self._sleep(step)

    def _events_if_any(self, feed: Feed) -> Iterator[StreamEvent]:
        with suppress(*NO_STREAM):
            yield from self._streamed(feed)

    def _streamed(self, feed: Stream[T]) -> Iterator[T]:
        while not feed.is_over:
            failure: PenstockError | None = None
            try:
                with translated(), self._http.stream(**feed.request()) as answer:
                    if not answer.is_success:
                        answer.read()
                    feed.require_stream(answer)
                    for chunk in answer.iter_bytes():
                        yield from feed.take(chunk)
                feed.closed()
            except PASSING as error:
                failure = error
            if not feed.is_over:
                self._sleep(feed.pause_s(failure))
