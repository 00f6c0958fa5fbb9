"""The client for asyncio."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import date
from random import Random
from typing import Self, TypeVar, Unpack

import httpx
from tenacity import AsyncRetrying

from api.client import calls, waiting
from api.client.asynchronous_schedules import AsyncSchedules
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


class AsyncPenstock(AsyncSchedules):
    """Speaks to one service. Belongs to one event loop; close it, or use it in an `async with` block.

    Every method raises `PenstockError`. What may pass is tried again for `retry_within_s` seconds.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        retry_within_s: float = RETRY_WITHIN_S,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`timeout_s` is for one request. Raises `ValueError` for what is no URL or no key."""
        self._core = Core(url, api_key, timeout_s=timeout_s, retry_within_s=retry_within_s, clock=clock, random=random)
        self._http = httpx.AsyncClient(
            base_url=self._core.url,
            headers=self._core.headers,
            trust_env=self._core.trust_env,
            transport=transport,
        )
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._core.where!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def submit(self, *, idempotency_key: str | None = None, **job: Unpack[SubmissionFields]) -> Submitted:
        """See `Penstock.submit`."""
        return await self._call(calls.submit(job, idempotency_key or self._core.new_key()))

    async def submit_file(
        self,
        file: Source,
        *,
        name: str | None = None,
        content_type: str | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[FileOptions],
    ) -> Submitted:
        """See `Penstock.submit_file`."""
        key = idempotency_key or self._core.new_key()
        with opened(file) as body:
            return await self._call(calls.submit_file(body, name or name_of(file), content_type, options, key))

    async def run(
        self,
        *,
        timeout_s: float | None = None,
        on_event: Callable[[StreamEvent], object] | None = None,
        **job: Unpack[SubmissionFields],
    ) -> Document:
        """See `Penstock.run`."""
        over_at = self._core.over_at(timeout_s)
        job_id = (await self.submit(**job)).id
        async for event in self._events_if_any(Feed(self._core, job_id, over_at)):
            if on_event is not None:
                on_event(event)
        return await self.result(waiting.succeeded(await self._wait(job_id, over_at)))

    async def job(self, job_id: str, *, run: int | None = None) -> JobView:
        """See `Penstock.job`."""
        return await self._call(calls.job(job_id, run))

    async def wait(self, job_id: str, timeout_s: float | None = None) -> JobView:
        """See `Penstock.wait`."""
        return await self._wait(job_id, self._core.over_at(timeout_s))

    async def result(self, job_id: str, *, run: int | None = None) -> Document:
        """See `Penstock.result`."""
        return await self._call(calls.result(job_id, run))

    def iter_events(self, job_id: str | None = None) -> AsyncIterator[StreamEvent]:
        """See `Penstock.iter_events`."""
        return self._streamed(Feed(self._core, job_id))

    async def iter_jobs(self, *, page_size: int = MAX_PAGE, **filters: Unpack[JobFilters]) -> AsyncIterator[JobSummary]:
        """See `Penstock.iter_jobs`."""
        page = await self._call(calls.jobs(filters, page_size))
        for job in page.items:
            yield job
        while page.next is not None:
            page = await self._call(calls.page(page.next))
            for job in page.items:
                yield job

    async def cancel(self, job_id: str) -> JobView:
        """See `Penstock.cancel`."""
        return await self._call(calls.cancel(job_id))

    async def usage(self, first: date | None = None, last: date | None = None, *, by: Groups = "day") -> UsageReport:
        """See `Penstock.usage`."""
        return await self._call(calls.usage(first, last, by))

    async def retry(self, job_id: str) -> RerunAccepted:
        """See `Penstock.retry`."""
        return await self._call(calls.retry(job_id, self._core.new_key()))

    async def replay(self, job_id: str, from_stage: str, *, processing: Processing | None = None) -> RerunAccepted:
        """See `Penstock.replay`."""
        return await self._call(calls.replay(job_id, from_stage, processing, self._core.new_key()))

    async def purge(self, job_id: str) -> None:
        """See `Penstock.purge`."""
        await self._call(calls.purge(job_id))

    async def submit_batch(
        self,
        items: Iterable[JobFields],
        *,
        name: str | None = None,
        lane: Lane | str | None = None,
        digest: bool = False,
        idempotency_key: str | None = None,
    ) -> BatchView:
        """See `Penstock.submit_batch`."""
        return await self._call(
            calls.submit_batch(items, name, lane, idempotency_key or self._core.new_key(), digest=digest)
        )

    async def submit_source(
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
        return await self._call(calls.submit_source(source, defaults, name, key, digest=digest))

    async def batch(self, batch_id: str) -> BatchView:
        """See `Penstock.batch`."""
        return await self._call(calls.batch(batch_id))

    async def wait_batch(self, batch_id: str, timeout_s: float | None = None) -> BatchView:
        """See `Penstock.wait_batch`."""
        over_at = self._core.over_at(timeout_s)
        return await self._followed(waiting.wait_batch(self._core, batch_id, over_at), over_at)

    def iter_batch_results(self, batch_id: str) -> AsyncIterator[BatchResult]:
        """See `Penstock.iter_batch_results`."""
        return self._streamed(Results(self._core, batch_id))

    async def iter_batches(self, *, page_size: int = MAX_PAGE) -> AsyncIterator[BatchSummary]:
        """See `Penstock.iter_batches`."""
        page = await self._call(calls.batches(page_size))
        for batch in page.items:
            yield batch
        while page.next is not None:
            page = await self._call(calls.batch_page(page.next))
            for batch in page.items:
                yield batch

    async def cancel_batch(self, batch_id: str) -> BatchView:
        """See `Penstock.cancel_batch`."""
        return await self._call(calls.cancel_batch(batch_id))

    async def retry_failed(self, batch_id: str) -> BulkActionView:
        """See `Penstock.retry_failed`."""
        return await self._call(calls.retry_failed(batch_id))

    async def queues(self) -> QueueList:
        """See `Penstock.queues`."""
        return await self._call(calls.queues())

    async def workers(self) -> WorkerList:
        """See `Penstock.workers`."""
        return await self._call(calls.workers())

    async def breakers(self) -> BreakerList:
        """See `Penstock.breakers`."""
        return await self._call(calls.breakers())

    async def _call(self, call: Call[T], over_at: float = math.inf) -> T:
        trial = Trial(self._core, call, over_at)
        answer: T = await AsyncRetrying(sleep=self._sleep, **trial.policy)(self._try, trial)
        return answer

    async def _try(self, trial: Trial[T]) -> T:
        with translated():
            asked = trial.request()
            answer = await self._http.request(**asked | {"content": _awaited(asked["content"])})
        return trial.read(answer)

    async def _wait(self, job_id: str, over_at: float) -> JobView:
        return await self._followed(waiting.wait(self._core, job_id, over_at), over_at)

    async def _followed(self, flow: Wait[T], over_at: float) -> T:
        answer: T | None = None
        while True:
            try:
                step = flow.send(answer)
            except StopIteration as end:
                ended: T = end.value
                return ended
            if isinstance(step, Call):
                answer = await self._call(step, over_at)
            else:
                await self._sleep(step)

    async def _events_if_any(self, feed: Feed) -> AsyncIterator[StreamEvent]:
        with suppress(*NO_STREAM):
            async for event in self._streamed(feed):
                yield event

    async def _streamed(self, feed: Stream[T]) -> AsyncIterator[T]:
        while not feed.is_over:
            failure: PenstockError | None = None
            try:
                with translated():
                    async with self._http.stream(**feed.request()) as answer:
                        if not answer.is_success:
                            await answer.aread()
                        feed.require_stream(answer)
                        async for chunk in answer.aiter_bytes():
                            for each in feed.take(chunk):
                                yield each
                feed.closed()
            except PASSING as error:
                failure = error
            if not feed.is_over:
                await self._sleep(feed.pause_s(failure))


def _awaited(content: bytes | Iterable[bytes] | None) -> bytes | AsyncIterator[bytes] | None:
    """What the client for asyncio of httpx takes."""
    return content if content is None or isinstance(content, bytes) else _each(content)


async def _each(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
