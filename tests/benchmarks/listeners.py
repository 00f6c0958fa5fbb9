"""Thousands of streams of events, held by one process of its own so that their cost is nobody else's.

with Listeners(url) as listeners:
    listeners.open(job_ids)
    heard = listeners.heard()
"""

import asyncio
import multiprocessing
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

OPENING_AT_ONCE = 50
OPEN_WITHIN_S = 300
END_WITHIN_S = 10
MORE_FILES = 100
"""Besides the streams."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event, when it was appended to the event stream, and when a client had it."""

    job_id: str
    event: str
    appended_ms: int
    arrived_ms: float

    @property
    def delay_ms(self) -> float:
        return self.arrived_ms - self.appended_ms


class Listeners:
    """The process, as the benchmark sees it."""

    def __init__(self, base_url: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(base_url, theirs), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.join(END_WITHIN_S)

    def open(self, job_ids: Sequence[str]) -> float:
        """Listen to these jobs; returns the seconds it took until the last stream had begun."""
        began_at = time.monotonic()
        self._ask(list(job_ids), within_s=OPEN_WITHIN_S)
        return time.monotonic() - began_at

    def heard(self) -> list[Arrival]:
        """What came since this was asked before. Raises `RuntimeError` when a stream broke."""
        return self._ask(None, within_s=END_WITHIN_S)

    def _ask(self, order: object, *, within_s: float) -> list[Arrival]:
        self._pipe.send(order)
        if not self._pipe.poll(within_s):
            raise TimeoutError("the listeners do not answer")
        answer = self._pipe.recv()
        if isinstance(answer, Exception):
            raise RuntimeError("a stream broke") from answer
        return answer


class _Stream(asyncio.Protocol):
    """One stream. HTTP/1.0, so that what comes is the events and nothing between them."""

    def __init__(self, job_id: str, heard: list[Arrival]) -> None:
        self.begun = asyncio.get_running_loop().create_future()
        self.broke: Exception | None = None
        self._job_id = job_id
        self._heard = heard
        self._is_over = False
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(f"GET /v1/jobs/{self._job_id}/events HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        arrived_ms = 1000 * time.time()
        *blocks, self._rest = (self._rest + data).split(b"\n\n")
        for block in blocks:
            self._take(block, arrived_ms)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._is_over:
            self.broke = error or ConnectionError(f"the stream of {self._job_id} ended: {self._rest[:200]!r}")
        if not self.begun.done():
            self.begun.set_exception(self.broke or ConnectionError("ended at once"))

    def _take(self, block: bytes, arrived_ms: float) -> None:
        fields = dict(line.split(": ", 1) for line in block.decode().splitlines() if ": " in line)
        if "id" in fields:
            appended_ms = int(fields["id"].partition("-")[0])
            self._heard.append(Arrival(self._job_id, fields["event"], appended_ms, arrived_ms))
            self._is_over |= fields["event"] in {"job.succeeded", "job.failed", "job.cancelled"}
        if "retry" in fields and not self.begun.done():
            self.begun.set_result(None)


def _serve(base_url: str, pipe: Connection) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(_answer(base_url, pipe))


async def _answer(base_url: str, pipe: Connection) -> None:
    streams: list[_Stream] = []
    heard: list[Arrival] = []
    while True:
        job_ids = await asyncio.to_thread(pipe.recv)
        try:
            if job_ids is not None:
                streams += await _open(base_url, job_ids, heard)
            broken = next((stream.broke for stream in streams if stream.broke is not None), None)
            pipe.send(broken or heard[:])
            if job_ids is None:
                heard.clear()
        except OSError as error:
            pipe.send(error)


async def _open(base_url: str, job_ids: list[str], heard: list[Arrival]) -> list[_Stream]:
    at = urlsplit(base_url)
    loop, turns = asyncio.get_running_loop(), asyncio.Semaphore(OPENING_AT_ONCE)

    async def one(job_id: str) -> _Stream:
        async with turns:
            _, stream = await loop.create_connection(lambda: _Stream(job_id, heard), at.hostname, at.port)
            await stream.begun
            return stream

    return list(await asyncio.gather(*map(one, job_ids)))
