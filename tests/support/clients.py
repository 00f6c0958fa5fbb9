"""Both Python clients over transports without a network, so that each test is run with either of them."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import httpx

from api.client import AsyncPenstock, Penstock
from tests.support.api import Api
from tests.support.tools import ManualClock

Handler = Callable[[httpx.Request], httpx.Response]
KINDS = ("blocking", "asyncio")


class Made:
    """A client of either kind, called in the same way, on a clock that it moves by sleeping."""

    def __init__(self, kind: str, handler: Handler, **options: Any) -> None:
        self.clock = ManualClock()
        self.slept: list[float] = []
        options = {"clock": self.clock, "random": Random(1), "transport": httpx.MockTransport(handler), **options}
        if kind == "blocking":
            self.client: Any = Penstock(sleep=self._sleep, **options)
        else:
            self.client = AsyncPenstock(sleep=self._sleep_async, **options)
        self._loop = asyncio.new_event_loop()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        return lambda *args, **kwargs: self._got(method(*args, **kwargs))

    def close(self) -> None:
        self._got(self.client.close())
        self._loop.close()

    def _got(self, answer: Any) -> Any:
        if inspect.isasyncgen(answer):
            return self._drained(answer)
        return self._loop.run_until_complete(answer) if inspect.isawaitable(answer) else answer

    def _drained(self, generator: Any) -> Iterator[Any]:
        try:
            while True:
                try:
                    yield self._loop.run_until_complete(anext(generator))
                except StopAsyncIteration:
                    return
        finally:
            self._loop.run_until_complete(generator.aclose())

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)

    async def _sleep_async(self, seconds: float) -> None:
        self._sleep(seconds)


class Connection(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of an answer that comes in chunks; one that is an error is raised there, one that is called, called."""

    def __init__(self, *chunks: Any) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            if isinstance(chunk, Exception):
                raise chunk
            if callable(chunk):
                chunk()
            else:
                yield chunk

    async def __aiter__(self) -> Any:
        for chunk in iter(self):
            yield chunk


def stream(*chunks: Any) -> httpx.Response:
    """An answer that streams events."""
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Connection(*chunks))


def app_of(api: Api) -> Handler:
    """Answers as the real application does."""

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        got = api.client.request(request.method, path, content=request.content, headers=list(request.headers.items()))
        return httpx.Response(got.status_code, headers=got.headers.multi_items(), content=got.content)

    return answer


class Script:
    """Answers in turn, and what they answered; the last one again and again. An error is raised."""

    def __init__(self, *answers: Any) -> None:
        self.asked: list[httpx.Request] = []
        self._answers = list(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            return answer(request)
        # One that is complete already is given out anew each time.
        if answer.is_closed:
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        return answer
