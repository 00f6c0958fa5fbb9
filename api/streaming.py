"""Responses that last: sent after everything that made them has returned.

A stream of events is held for hours. Sent from where a response usually is, each would keep its request, what the
route depends on and a dozen suspended calls of routing and middleware, of which thousands of idle streams need nothing.

Whoever was let in with a key is sent nothing more once that is revoked or has expired. It is looked at with each chunk,
and there is one at least as often as a heartbeat.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial

from fastapi import FastAPI
from fastapi.sse import format_sse_event
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.auth import Caller
from orchestration.keys import KeyRing
from pipeline.errors import MachineryFailed
from pipeline.keys import ApiKey

log = logging.getLogger(__name__)

SEND_WITHIN_S = 30.0
"""One who does not take what is sent for so long is given up."""
KEY_ENDED = format_sse_event(
    event="error",
    data_str=json.dumps({"code": "unauthorized", "message": "The API key is not valid any more."}),
)
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
        caller: Caller | None = used.get("state", {}).get("caller")
        del used
        if chunks is not None:
            ended = _never if caller is None or caller.key is None else partial(self._has_ended, caller.key)
            await _stream(chunks, ended, receive, send)

    async def _has_ended(self, key: ApiKey) -> bool:
        ring: KeyRing = self.state.wiring.key_ring
        if ring.is_to_look_again(key):
            try:
                await run_in_threadpool(ring.look_again, key)
            except MachineryFailed as error:
                # What is live stays so while nobody can tell.
                log.warning("streams go on without a look at their key: %s", error)
        return ring.has_ended(key)


async def _never() -> bool:
    return False


class _ClientGone(Exception):
    pass


async def _stream(
    chunks: AsyncGenerator[bytes, None], has_ended: Callable[[], Awaitable[bool]], receive: Receive, send: Send
) -> None:
    """Send all, until the client is gone or takes nothing for `SEND_WITHIN_S`, which raises `TimeoutError`."""
    try:
        async with asyncio.TaskGroup() as tasks, aclosing(chunks):
            watch = tasks.create_task(_watch(receive))
            async for chunk in chunks:
                if await has_ended():
                    await _send(send, KEY_ENDED, more=True)
                    break
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
