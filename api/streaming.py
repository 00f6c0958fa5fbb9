"""Responses that last: sent after everything that made them has returned.

A stream of events is held for hours. Sent from where a response usually is, each would keep its request, what the
route depends on and a dozen suspended calls of routing and middleware, of which thousands of idle streams need nothing.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import FastAPI
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

SEND_WITHIN_S = 30.0
"""One who does not take what is sent for so long is given up."""
REST = "penstock.rest"
"""Of a scope: the chunks that are still to be sent."""


class EventStream(StreamingResponse):
    """Begins the answer, and leaves its chunks to `StreamingApp`."""

    media_type = "text/event-stream"

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        scope[REST] = self.body_iterator


class StreamingApp(FastAPI):
    """Sends the chunks of an `EventStream` when routing and middleware are through with it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A copy, which takes with it what routing adds.
        used = dict(scope)
        await super().__call__(used, receive, send)
        chunks: AsyncGenerator[bytes, None] | None = used.get(REST)
        del used
        if chunks is not None:
            await _stream(chunks, receive, send)


class _ClientGone(Exception):
    pass


async def _stream(chunks: AsyncGenerator[bytes, None], receive: Receive, send: Send) -> None:
    """Send all, until the client is gone or takes nothing for `SEND_WITHIN_S`, which raises `TimeoutError`."""
    try:
        async with asyncio.TaskGroup() as tasks, aclosing(chunks):
            watch = tasks.create_task(_watch(receive))
            async for chunk in chunks:
                await _send(send, chunk, more=True)
            await _send(send, b"", more=False)
            watch.cancel()
    except* _ClientGone:
        pass


async def _watch(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    raise _ClientGone


async def _send(send: Send, chunk: bytes, *, more: bool) -> None:
    async with asyncio.timeout(SEND_WITHIN_S):
        await send({"type": "http.response.body", "body": chunk, "more_body": more})
