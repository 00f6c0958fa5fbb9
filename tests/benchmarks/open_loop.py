"""Requests at times that are fixed beforehand, by a process of its own.

A service that falls behind gets the next request all the same, and the time that a request had to wait for the
generator counts as its latency: it is counted from when the request was due.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

KEPT_ALIVE_S = 4.0
"""A connection idle for longer is not used again: the server closes it about then."""
ANSWER_WITHIN_S = 30.0
FAILED = 0
"""Stands for the status of a request that was not answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request."""

    due_s: float
    """After the start."""
    latency_ms: float
    status: int


def post_at(url: str, body: bytes, due_s: Sequence[float]) -> list[Answer]:
    """POST this JSON at each of these times, in seconds from now, whether earlier ones are answered or not."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(url, body, list(due_s), theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        answers: list[Answer] = ours.recv()
        return answers
    finally:
        process.kill()
        process.join()


def _run(url: str, body: bytes, due_s: list[float], pipe: Connection) -> None:
    pipe.send(asyncio.run(_post_all(_Client(url, body), due_s)))


async def _post_all(client: "_Client", due_s: list[float]) -> list[Answer]:
    began_at = time.perf_counter()

    async def one(at_s: float) -> Answer:
        await asyncio.sleep(began_at + at_s - time.perf_counter())
        status = await client.post()
        return Answer(at_s, 1000 * (time.perf_counter() - began_at - at_s), status)

    return list(await asyncio.gather(*map(one, due_s)))


@dataclass
class _Client:
    """As little of HTTP/1.1 as it takes, so that the generator costs little."""

    url: str
    body: bytes
    _idle: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    def __post_init__(self) -> None:
        at = urlsplit(self.url)
        self._address = at.hostname, at.port
        head = f"POST {at.path} HTTP/1.1\r\nHost: {at.netloc}\r\nContent-Type: application/json\r\n"
        self._request = f"{head}Content-Length: {len(self.body)}\r\n\r\n".encode() + self.body

    async def post(self) -> int:
        """The status of the answer."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await self._post()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return FAILED

    async def _post(self) -> int:
        reader, writer = self._take() or await asyncio.open_connection(*self._address)
        writer.write(self._request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        fields = dict(line.split(": ", 1) for line in head.splitlines()[1:] if line)
        await reader.readexactly(int(fields["content-length"]))
        self._idle.append((time.perf_counter(), reader, writer))
        return int(head.split()[1])

    def _take(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        while self._idle:
            since, reader, writer = self._idle.pop()
            if time.perf_counter() - since < KEPT_ALIVE_S and not reader.at_eof():
                return reader, writer
            writer.close()
        return None
