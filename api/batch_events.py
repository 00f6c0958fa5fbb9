"""Live events of a batch: those of its jobs, and how far it has come, until nothing more happens."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from api.event_stream import FIRST, PARTING, as_sent
from api.schemas_batches import BatchSummary
from orchestration.streams.hub import Hub, Subscriber, Woken
from orchestration.streams.window import StreamId
from pipeline.batches import Batch

LOOK_EVERY_S = 1.0
"""How often the jobs are counted while events come; without events every `LOOK_AGAIN_S`."""
LOOK_AGAIN_S = 5.0
LAST_WITHIN_S = 1.0
"""What the last job announces may come a moment after its record."""

ReadBatch = Callable[[], Awaitable[Batch | None]]


async def of_batch(
    hub: Hub, batch_id: str, read: ReadBatch, now: Callable[[], datetime], seen: StreamId | None
) -> AsyncGenerator[bytes, None]:
    """Events of the jobs from now on or after `seen`, with a `batch.progress` first, whenever it changed, and last."""
    with hub.subscribe(None, seen) as subscriber:
        yield FIRST
        shown, news = None, b""
        clock_s = asyncio.get_running_loop().time
        look_at_s = clock_s()
        while True:
            if clock_s() >= look_at_s:
                batch = await read()
                if batch is None:
                    return
                if batch.is_over(now()):
                    break
                if batch != shown:
                    yield _progress(batch, now())
                    shown = batch
                look_at_s = clock_s() + LOOK_EVERY_S
            woken = await subscriber.wait(LOOK_EVERY_S if news else LOOK_AGAIN_S)
            if woken in PARTING:
                yield PARTING[woken]
                return
            news = _told(subscriber, batch_id)
            if news or woken is Woken.NOTHING:
                yield news or KEEPALIVE_COMMENT
        await subscriber.wait(LAST_WITHIN_S)
        yield _told(subscriber, batch_id) + _progress(batch, now())


def _told(subscriber: Subscriber, batch_id: str) -> bytes:
    return b"".join(as_sent(told) for told in subscriber.take() if told.batch_id == batch_id)


def _progress(batch: Batch, now: datetime) -> bytes:
    return format_sse_event(event="batch.progress", data_str=BatchSummary.of(batch, now).model_dump_json())
