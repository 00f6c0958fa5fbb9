"""Live events as server-sent events: what a subscriber missed, then what comes, until there is no more."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Self

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from api.schemas import JobView
from orchestration.streams.hub import Hub, Subscriber, Woken
from orchestration.streams.window import StreamId, Told
from pipeline import events
from pipeline.deltas import NAME, Delta
from pipeline.job import FIRST_RUN, Job, JobState

HEARTBEAT_S = 15.0
RECONNECT_AFTER_MS = 1000
LOOK_AGAIN_S = 5.0
"""How often one who waits looks at the record, should the events be away."""
FIRST = format_sse_event(retry=RECONNECT_AFTER_MS)
TOO_SLOW = format_sse_event(
    event="error",
    data_str=json.dumps(
        {
            "code": "slow_reader",
            "message": "You read more slowly than events come, and some are gone. Connect again to go on.",
        }
    ),
)
PARTING = {Woken.SLOW: TOO_SLOW, Woken.CLOSING: format_sse_event(comment="the service stops")}

TOLD_WITHIN_S = 2.0
"""After a job was accepted, its first event arrives; so far may clocks differ, too."""

ReadJob = Callable[[], Awaitable[Job | None]]


async def of_job(hub: Hub, job_id: str, read: ReadJob, seen: StreamId | None) -> AsyncGenerator[bytes, None]:
    """The events of a job: all that are known or those after `seen`, until its current run has ended.

    Among them, without ids, comes the text that is being written.
    Where the stream does not reach so far back there is a snapshot instead of what is missing.
    """
    with hub.subscribe(job_id, seen, with_text=True) as subscriber:
        yield FIRST
        job = await read()
        if not subscriber.is_whole and not (subscriber.is_first_to_hear and _is_new(job, subscriber.begins_at)):
            yield _snapshot(job, subscriber.begins_at)
        run, job = _Run.of(job), None
        while run is not None:
            news, is_all = run.news(subscriber.take(), subscriber.take_deltas())
            if news:
                yield news
            if is_all:
                return
            woken = await subscriber.wait(HEARTBEAT_S)
            if woken in PARTING:
                yield PARTING[woken]
                return
            if woken is Woken.NOTHING:
                yield KEEPALIVE_COMMENT
            elif woken is Woken.GAP:
                job = await read()
                yield _snapshot(job, None)
                run, job = _Run.of(job), None


@dataclass(frozen=True, slots=True)
class _Run:
    """What a stream keeps of its job: little, as there are thousands of streams."""

    number: int
    end: bytes | None
    """Tells that it has ended, should no event do so; None while it goes on."""

    @classmethod
    def of(cls, job: Job | None) -> Self | None:
        if job is None:
            return None
        return cls(job.run, _end(job) if job.state.is_terminal else None)

    def news(self, taken: list[Told], deltas: list[Delta]) -> tuple[bytes, bool]:
        """What there is to send, and whether that is all there will be."""
        ends_at = next((n for n, told in enumerate(taken, 1) if told.is_last and told.run >= self.number), None)
        sent = [as_sent(told) for told in taken[:ends_at]]
        if deltas:
            sent.insert(_begun_at(taken, deltas[0]), b"".join(map(_as_piece, deltas)))
        if ends_at is None and self.end is not None:
            # Nobody has announced it yet, or the stream has forgotten it.
            sent.append(self.end)
        return b"".join(sent), self.end is not None or ends_at is not None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which events of a tenant are wanted: those for which all that is given holds."""

    tenant_id: str
    kinds: frozenset[str] = frozenset()
    pipeline: str | None = None
    lane: str | None = None

    def takes(self, told: Told) -> bool:
        """Whether this event is wanted."""
        if told.tenant_id != self.tenant_id or (self.kinds and told.event not in self.kinds):
            return False
        if self.pipeline is None and self.lane is None:
            return True
        event = json.loads(told.data)
        return self.pipeline in (None, event["pipeline"]) and self.lane in (None, event["lane"])


async def of_all(hub: Hub, choice: Choice, seen: StreamId | None) -> AsyncGenerator[bytes, None]:
    """Events from now on, or those after `seen`. An event `gap` says that some are missing there."""
    with hub.subscribe(None, seen) as subscriber:
        yield FIRST
        if not subscriber.is_whole:
            yield _gap(subscriber)
        while True:
            if news := b"".join(as_sent(told) for told in subscriber.take() if choice.takes(told)):
                yield news
            woken = await subscriber.wait(HEARTBEAT_S)
            if woken in PARTING:
                yield PARTING[woken]
                return
            if woken is Woken.NOTHING:
                yield KEEPALIVE_COMMENT
            elif woken is Woken.GAP:
                yield _gap(subscriber)


async def ended(hub: Hub, job: Job, read: Callable[[], Awaitable[Job]], wait_s: float) -> Job:
    """The job once its run has ended, or as it is after so many seconds."""
    now_s = asyncio.get_running_loop().time
    over_at = now_s() + wait_s
    with hub.subscribe(job.id) as subscriber:
        # It may have ended before we listened.
        job = await read()
        while not job.state.is_terminal and (left_s := over_at - now_s()) > 0:
            woken = await subscriber.wait(min(left_s, LOOK_AGAIN_S))
            if woken is Woken.CLOSING:
                break
            if woken is not Woken.EVENTS or any(told.is_last for told in subscriber.take()):
                job = await read()
    return job


def as_sent(told: Told) -> bytes:
    """An event as it is sent."""
    return format_sse_event(event=told.event, data_str=told.data, id=f"{told.id[0]}-{told.id[1]}")


def _as_piece(delta: Delta) -> bytes:
    """Without an id: nobody can go on from there."""
    return format_sse_event(event=NAME, data_str=delta.as_json())


def _begun_at(taken: list[Told], delta: Delta) -> int:
    """How many of these events come before what is written: all up to the one that its attempt has begun."""
    begun = {"stage": delta.writing.stage, "attempt": delta.writing.attempt}
    started = (n for n, told in enumerate(taken, 1) if told.event == "stage.started")
    return max((n for n in started if begun.items() <= json.loads(taken[n - 1].data).items()), default=0)


def _is_new(job: Job | None, at: StreamId | None) -> bool:
    """Whether all events of a job are still to come: it was accepted about when the newest event of all was told."""
    if job is None or job.state is not JobState.QUEUED or job.run != FIRST_RUN:
        return False
    return at is None or job.created_at.timestamp() > at[0] / 1000 - TOLD_WITHIN_S


def _end(job: Job) -> bytes:
    over = events.over(job)
    return format_sse_event(event=over.kind, data_str=over.as_json())


def _snapshot(job: Job | None, at: StreamId | None) -> bytes:
    """The job as it is, with the id to go on from; nothing of one that is gone."""
    if job is None:
        return b""
    event_id = None if at is None else f"{at[0]}-{at[1]}"
    return format_sse_event(event="snapshot", data_str=JobView.of(job).model_dump_json(), id=event_id)


def _gap(subscriber: Subscriber) -> bytes:
    at = subscriber.begins_at
    message = "Events before this one are missing; list the jobs to see how they are."
    return format_sse_event(
        event="gap", data_str=json.dumps({"message": message}), id=None if at is None else f"{at[0]}-{at[1]}"
    )
