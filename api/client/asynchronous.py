"""The client for asyncio."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import Self, TypeVar, Unpack

import httpx
from tenacity import AsyncRetrying

from api.client import calls, waiting
from api.client.calls import Call, JobFields, JobFilters
from api.client.core import DEFAULT_URL, NO_STREAM, PASSING, RETRY_WITHIN_S, TIMEOUT_S, Core, Trial, translated
from api.client.errors import PenstockError
from api.client.feed import Feed
from api.schemas import MAX_PAGE, JobSummary, JobView, RerunAccepted, Submitted
from api.schemas_events import StreamEvent
from stages.contract import Clock, Document, Processing

T = TypeVar("T")


class AsyncPenstock:
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

    async def submit(self, *, idempotency_key: str | None = None, **job: Unpack[JobFields]) -> Submitted:
        """See `Penstock.submit`."""
        return await self._call(calls.submit(job, idempotency_key or self._core.new_key()))

    async def run(
        self,
        *,
        timeout_s: float | None = None,
        on_event: Callable[[StreamEvent], object] | None = None,
        **job: Unpack[JobFields],
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
        return self._events(Feed(self._core, job_id))

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

    async def retry(self, job_id: str) -> RerunAccepted:
        """See `Penstock.retry`."""
        return await self._call(calls.retry(job_id, self._core.new_key()))

    async def replay(self, job_id: str, from_stage: str, *, processing: Processing | None = None) -> RerunAccepted:
        """See `Penstock.replay`."""
        return await self._call(calls.replay(job_id, from_stage, processing, self._core.new_key()))

    async def purge(self, job_id: str) -> None:
        """See `Penstock.purge`."""
        await self._call(calls.purge(job_id))

    async def _call(self, call: Call[T], over_at: float = math.inf) -> T:
        trial = Trial(self._core, call, over_at)
        answer: T = await AsyncRetrying(sleep=self._sleep, **trial.policy)(self._try, trial)
        return answer

    async def _try(self, trial: Trial[T]) -> T:
        with translated():
            answer = await self._http.request(**trial.request())
        return trial.read(answer)

    async def _wait(self, job_id: str, over_at: float) -> JobView:
        flow, job = waiting.wait(self._core, job_id, over_at), None
        while True:
            try:
                step = flow.send(job)
            except StopIteration as end:
                ended: JobView = end.value
                return ended
            if isinstance(step, Call):
                job = await self._call(step, over_at)
            else:
                await self._sleep(step)

    async def _events_if_any(self, feed: Feed) -> AsyncIterator[StreamEvent]:
        with suppress(*NO_STREAM):
            async for event in self._events(feed):
                yield event

    async def _events(self, feed: Feed) -> AsyncIterator[StreamEvent]:
        while not feed.is_over:
            failure: PenstockError | None = None
            try:
                with translated():
                    async with self._http.stream(**feed.request()) as answer:
                        if not answer.is_success:
                            await answer.aread()
                        feed.require_stream(answer)
                        async for chunk in answer.aiter_bytes():
                            for event in feed.take(chunk):
                                yield event
                feed.closed()
            except PASSING as error:
                failure = error
            if not feed.is_over:
                await self._sleep(feed.pause_s(failure))
