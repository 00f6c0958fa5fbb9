"""Texts that are being written: told on a real server, put together, and watched by many."""

import asyncio
import json
import time
from dataclasses import replace

import pytest

from api import event_stream
from orchestration.streams import DELTAS
from orchestration.streams.deltas import KEPT, KEPT_S, RedisDeltas
from orchestration.streams.drafts import MAX_DRAFTS, Drafts
from orchestration.streams.hub import Hub, Woken
from orchestration.streams.tail import Tail
from orchestration.streams.window import Told
from orchestration.transport.urls import read_url
from pipeline.deltas import MAX_SHOWN_CHARS, Delta, Writing
from pipeline.memory import MemoryRecords
from tests.support.jobs import World
from tests.support.sse import events_in
from tests.support.tools import ManualClock
from tests.support.waiting import until


def writing(job_id="a", run=1, attempt=1, stage="summarize"):
    return Writing("default", job_id, run, stage, attempt)


def delta(text, offset=0, **of):
    return Delta(writing(**of), offset, text)


@pytest.fixture
def deltas(server):
    deltas = RedisDeltas(read_url(server.url), ManualClock())
    yield deltas
    deltas.close()


# on the server


def test_what_is_told_is_followed_beside_the_events(deltas, server):
    heard = []
    tail = Tail(read_url(server.url), kept=100, on_told=lambda _: None, on_gap=lambda: None, on_deltas=heard.extend)
    early, late = delta("Locks "), delta("lift \N{ROCKET}s.\n", offset=6)
    assert deltas.tell(early)
    tail.start()
    try:
        until(lambda: heard == [early], within_s=5, what="what was told before")
        assert deltas.tell(late)
        until(lambda: heard == [early, late], within_s=5, what="what is told now")
        with server.client() as client:
            clients = [each for each in client.client_list() if each["cmd"] == "xread"]
        assert len(clients) == 1
    finally:
        tail.stop()


def test_the_stream_holds_little_and_not_for_long(deltas, server):
    with server.client() as client:
        old_ms = int((time.time() - 2 * KEPT_S) * 1000)
        client.xadd(DELTAS, {"e": "{}", "t": "default"}, id=f"{old_ms}-0")
        deltas.tell(delta("new"))
        assert [json.loads(fields["e"])["text"] for _, fields in client.xrange(DELTAS)] == ["new"]
        for _ in range(10):
            deltas.tell(*(delta("x") for _ in range(KEPT // 5)))
        assert KEPT <= client.xlen(DELTAS) < 1.2 * KEPT
        assert 0 < client.ttl(DELTAS) <= KEPT_S


@pytest.mark.parametrize("fault", ["full", "absent"])
def test_a_server_that_takes_nothing_loses_them_and_no_more(deltas, server, fault, tmp_path):
    with server.client() as client:
        if fault == "full":
            client.config_set("maxmemory", 1)
        else:
            deltas = RedisDeltas(read_url(f"redis+socket://{tmp_path}/absent.sock"), ManualClock())
        try:
            began_at = time.monotonic()
            assert not any(deltas.tell(delta("x")) for _ in range(100))
            assert time.monotonic() - began_at < 0.5
        finally:
            client.config_set("maxmemory", 0)


# put together


def told(event, job_id="a", run=1, **more):
    return Told((1, 0), "default", job_id, run, event, json.dumps({"event": event, "job_id": job_id, **more}))


def text_of(drafts, job_id="a"):
    draft = drafts.get(job_id)
    return None if draft is None else draft.text


def drafts_of(*deltas):
    drafts = Drafts()
    for each in deltas:
        drafts.add(each)
    return drafts


@pytest.mark.parametrize(
    ("deltas", "text"),
    [
        ([delta("Locks "), delta("lift", 6)], "Locks lift"),
        ([delta("Locks lift"), delta("ower", 7)], "Locks lower"),
        ([delta("Locks "), delta("boats", 11)], "Locks "),
        ([delta("boats", 11)], None),
        ([delta("First"), delta("Second", attempt=2)], "Second"),
        ([delta("Second", attempt=2), delta("First, late")], "Second"),
        ([delta("First", attempt=3), delta("Second", run=2)], "Second"),
        ([delta("Second", run=2), delta("First, late", attempt=3)], "Second"),
        ([delta("x" * MAX_SHOWN_CHARS), delta("y", MAX_SHOWN_CHARS)], "x" * MAX_SHOWN_CHARS),
    ],
)
def test_pieces_become_the_text_of_the_latest_attempt(deltas, text):
    assert text_of(drafts_of(*deltas)) == text


@pytest.mark.parametrize(
    ("event", "is_over"),
    [
        (told("stage.succeeded", stage="summarize"), True),
        (told("stage.waiting", stage="summarize", attempt=2), True),
        (told("stage.started", stage="summarize", attempt=3), True),
        (told("job.cancelled"), True),
        (told("stage.started", run=2, stage="fetch", attempt=1), True),
        (told("stage.started", stage="summarize", attempt=2), False),
        (told("stage.waiting", stage="summarize", attempt=1), False),
        (told("stage.waiting", stage="summarize"), False),
        (told("stage.succeeded", stage="fetch"), False),
        (told("job.failed", job_id="b"), False),
    ],
)
def test_what_an_attempt_says_after_its_end_is_not_heard(event, is_over):
    drafts = drafts_of(delta("Locks", attempt=2))
    drafts.hear(event)
    assert drafts.add(delta(" lift", 5, attempt=2)) is not is_over
    assert text_of(drafts) == ("Locks" if is_over else "Locks lift")


def test_only_so_many_texts_are_remembered():
    drafts = drafts_of(*(delta("x", job_id=str(n)) for n in range(MAX_DRAFTS + 1)))
    assert (text_of(drafts, "0"), text_of(drafts, "1")) == (None, "x")


# watched


@pytest.fixture
def job():
    world = World(MemoryRecords(ManualClock()), lambda _s: None)
    return world.read(world.accept())


class Reader:
    """Reads a stream of a job as it was answered."""

    def __init__(self, hub, job):
        async def read():
            return job

        self.chunks = event_stream.of_job(hub, job.id, read, None)

    async def next(self):
        chunk = await asyncio.wait_for(anext(self.chunks), 2)
        return [
            (heard.event, heard.data.get("offset"), heard.data.get("text"))
            for heard in events_in(iter(chunk.decode().split("\n")))
        ]


def hub_of(*events):
    hub = Hub(read_url("redis+socket:///nowhere.sock"), kept=50)
    hub.tell([replace(each, id=(number, 0)) for number, each in enumerate(events, 1)])
    return hub


def begun(job):
    return [told("job.queued", job.id), told("stage.started", job.id, stage="summarize", attempt=1)]


def test_a_watcher_sees_a_text_grow_and_then_the_end(job):
    async def run():
        hub = hub_of(*begun(job))
        reader = Reader(hub, job)
        await reader.next()
        assert [event for event, *_ in await reader.next()] == ["job.queued", "stage.started"]
        hub.tell_deltas([delta("Locks ", job_id=job.id), delta("other", job_id="b")])
        assert await reader.next() == [("summary.delta", 0, "Locks ")]
        hub.tell_deltas([delta("lift", 6, job_id=job.id)])
        # A slow reader is sent one piece for all that came meanwhile.
        hub.tell_deltas([delta(" boats.", 10, job_id=job.id)])
        hub.tell([told("stage.succeeded", job.id, stage="summarize"), told("job.succeeded", job.id)])
        assert await reader.next() == [
            ("summary.delta", 6, "lift boats."),
            ("stage.succeeded", None, None),
            ("job.succeeded", None, None),
        ]

    asyncio.run(run())


def test_one_who_comes_late_has_the_text_so_far_after_its_beginning(job):
    async def run():
        hub = hub_of(*begun(job))
        hub.tell_deltas([delta("Locks ", job_id=job.id), delta("lift", 6, job_id=job.id)])
        reader = Reader(hub, job)
        await reader.next()
        assert await reader.next() == [
            ("job.queued", None, None),
            ("stage.started", None, None),
            ("summary.delta", 0, "Locks lift"),
        ]

    asyncio.run(run())


def test_one_who_comes_when_it_is_written_is_not_shown_it_again(job):
    async def run():
        hub = hub_of(*begun(job))
        hub.tell_deltas([delta("Locks", job_id=job.id)])
        hub.tell([told("stage.succeeded", job.id, stage="summarize")])
        reader = Reader(hub, job)
        await reader.next()
        assert "summary.delta" not in [event for event, *_ in await reader.next()]

    asyncio.run(run())


def test_another_attempt_replaces_what_the_one_before_has_shown(job):
    async def run():
        hub = hub_of(*begun(job))
        hub.tell_deltas([delta("Locks lift", job_id=job.id)])
        reader = Reader(hub, job)
        await reader.next()
        await reader.next()
        hub.tell_deltas([delta("Locks lift boats", job_id=job.id, attempt=2)])
        assert await reader.next() == [("summary.delta", 0, "Locks lift boats")]

    asyncio.run(run())


def test_those_who_wait_for_the_end_are_not_woken(job):
    async def run():
        hub = hub_of(*begun(job))
        with hub.subscribe(job.id) as subscriber:
            hub.tell_deltas([delta("Locks", job_id=job.id)])
            assert await subscriber.wait(0.01) is Woken.NOTHING

    asyncio.run(run())
