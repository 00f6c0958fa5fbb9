import asyncio
import json
from dataclasses import replace
from itertools import count

import pytest

from api import event_stream
from api.event_stream import Choice
from orchestration.streams.hub import Hub, Woken
from orchestration.streams.window import Told
from orchestration.transport.urls import read_url
from pipeline.job import JobState
from pipeline.memory import MemoryRecords
from tests.support.jobs import World
from tests.support.sse import events_in
from tests.support.tools import ManualClock

numbers = count(1)


def hub_of(*told, kept=50):
    hub = Hub(read_url("redis+socket:///nowhere.sock"), kept=kept)
    hub.tell(list(told))
    return hub


def told(event="stage.started", job_id="a", run=1, tenant="default", **more):
    data = {"event": event, "job_id": job_id, "run": run, "pipeline": "extract", "lane": "normal", **more}
    return Told((next(numbers), 0), tenant, job_id, run, event, json.dumps(data))


class Reader:
    """Reads a stream of a job as it was answered."""

    def __init__(self, hub, job, seen=None):
        self.job = job
        self.chunks = event_stream.of_job(hub, job.id, self.read, seen)

    async def read(self):
        return self.job

    async def next(self):
        chunk = await asyncio.wait_for(anext(self.chunks), 2)
        return [(heard.event, heard.id) for heard in events_in(iter(chunk.decode().split("\n")))]

    async def rest(self):
        return [heard async for chunk in self.chunks for heard in events_in(iter(chunk.decode().split("\n")))]


@pytest.fixture
def job():
    world = World(MemoryRecords(ManualClock()), lambda _s: None)
    return world.read(world.accept())


def sent(*events):
    return [(each.event, f"{each.id[0]}-{each.id[1]}") for each in events]


async def begun(reader):
    assert await reader.next() == []  # says after how long to come again


def test_what_was_missed_comes_first_and_then_what_happens(job):
    async def run():
        past = [told("job.queued", job.id), told("stage.started", job.id)]
        hub = hub_of(told(), *past, told())
        reader = Reader(hub, job)
        await begun(reader)
        assert await reader.next() == sent(*past)
        following = asyncio.create_task(reader.next())
        await asyncio.sleep(0)
        last = told("job.failed", job.id)
        hub.tell([told(), last])
        assert await following == sent(last)
        assert await reader.rest() == []

    asyncio.run(run())


def test_a_stream_does_not_end_with_an_earlier_run(job):
    async def run():
        past = [told("job.queued", job.id), told("job.failed", job.id), told("job.queued", job.id, run=2)]
        hub = hub_of(*past)
        reader = Reader(hub, replace(job, run=2))
        await begun(reader)
        assert await reader.next() == sent(*past)
        last = told("job.succeeded", job.id, run=2)
        hub.tell([last])
        assert await reader.next() == sent(last)

    asyncio.run(run())


def test_what_is_not_remembered_comes_as_a_snapshot_and_nothing_twice(job):
    async def run():
        hub = hub_of(*(told("stage.started", job.id) for _ in range(5)), kept=3)
        reader = Reader(hub, job)
        await begun(reader)
        [(event, at)] = await reader.next()
        assert event == "snapshot"
        live = told("stage.succeeded", job.id)
        hub.tell([live])
        assert await reader.next() == sent(live)
        resumed = Reader(hub, job, seen=tuple(map(int, at.split("-"))))
        await begun(resumed)
        assert await resumed.next() == sent(live)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("before", "change", "first"),
    [
        ((), {}, "job.queued"),
        ((-1,), {}, "job.queued"),
        ((1,), {}, "job.queued"),
        ((60,), {}, "snapshot"),
        ((-1,), {"state": JobState.RUNNING}, "snapshot"),
        ((-1,), {"run": 2}, "snapshot"),
    ],
)
def test_a_job_whose_first_event_is_still_to_come_needs_no_snapshot(job, before, change, first):
    """`before`: how many seconds after its acceptance something else was told."""

    async def run():
        ids = [(int(1000 * (job.created_at.timestamp() + after_s)), 0) for after_s in before]
        hub = hub_of(*(replace(told(), id=at) for at in ids))
        reader = Reader(hub, replace(job, **change))
        await begun(reader)
        following = asyncio.create_task(reader.next())
        await asyncio.sleep(0)
        hub.tell([replace(told("job.queued", job.id), id=(2**50, 0))])
        assert [event for event, _ in await following] == [first]

    asyncio.run(run())


def test_the_end_is_told_even_if_nobody_announced_it(job):
    async def run():
        over = replace(job, state=JobState.CANCELLED)
        hub = hub_of(told("job.queued", job.id))
        heard = await Reader(hub, over).rest()
        assert [one.event for one in heard] == ["job.queued", "job.cancelled"]
        assert heard[-1].id is None

    asyncio.run(run())


def test_after_a_gap_the_record_is_asked(job):
    async def run():
        hub = hub_of(told("job.queued", job.id))
        reader = Reader(hub, job)
        await begun(reader)
        await reader.next()
        reader.job = replace(job, state=JobState.CANCELLED)
        hub.tell_gap()
        assert [one.event for one in await reader.rest()] == ["snapshot", "job.cancelled"]

    asyncio.run(run())


def test_a_slow_reader_is_told_that_it_lost_something(job):
    async def run():
        hub = hub_of(told("job.queued", job.id), kept=5)
        reader = Reader(hub, job)
        await begun(reader)
        await reader.next()
        hub.tell([told("stage.started", job.id), *(told() for _ in range(5))])
        [heard] = await reader.rest()
        assert (heard.event, heard.data["code"]) == ("error", "slow_reader")

    asyncio.run(run())


def test_one_whose_job_is_silent_is_not_slow(job):
    async def run():
        hub = hub_of(told("job.queued", job.id), kept=5)
        reader = Reader(hub, job)
        await begun(reader)
        await reader.next()
        hub.tell([told() for _ in range(20)])
        last = told("job.failed", job.id)
        hub.tell([last])
        assert await reader.next() == sent(last)

    asyncio.run(run())


def test_when_the_process_stops_all_streams_end(job):
    async def run():
        hub = hub_of(told("job.queued", job.id))
        reader = Reader(hub, job)
        await begun(reader)
        await reader.next()
        everything = event_stream.of_all(hub, Choice("default"), None)
        await anext(everything)
        hub.close()
        assert await reader.rest() == []
        assert [chunk async for chunk in everything] == [b": the service stops\n\n"]
        late = event_stream.of_all(hub, Choice("default"), None)
        assert [chunk async for chunk in late][-1] == b": the service stops\n\n"

    asyncio.run(run())


def test_who_leaves_is_forgotten(job):
    async def run():
        hub = hub_of(told("job.queued", job.id))
        reader = Reader(hub, job)
        await begun(reader)
        assert hub._of_job
        await reader.chunks.aclose()
        assert not hub._of_job

    asyncio.run(run())


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        (Choice("default"), ["job.queued", "stage.started", "job.failed"]),
        (Choice("default", frozenset({"job.queued", "job.failed"})), ["job.queued", "job.failed"]),
        (Choice("default", lane="bulk"), ["job.failed"]),
        (Choice("default", pipeline="summarize"), []),
        (Choice("other"), ["job.cancelled"]),
    ],
)
def test_of_all_events_those_are_sent_that_are_wanted(choice, wanted):
    everything = [
        told("job.queued"),
        told("stage.started"),
        told("job.cancelled", tenant="other"),
        told("job.failed", lane="bulk"),
    ]
    assert [each.event for each in everything if choice.takes(each)] == wanted


def test_waiting_ends_with_the_time(job):
    async def run():
        with hub_of().subscribe(job.id) as subscriber:
            assert await subscriber.wait(0.01) is Woken.NOTHING

    asyncio.run(run())
