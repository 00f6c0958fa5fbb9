import asyncio
import gc
import weakref
from datetime import timedelta
from random import SystemRandom
from threading import Event
from types import SimpleNamespace

import pytest
from fastapi import Request

from api import streaming
from api.auth import Caller
from api.streaming import EventStream, StreamingApp
from orchestration.keys import KNOWN_FOR_S, KeyDesk, KeyRing
from pipeline.errors import RecordsUnavailable
from pipeline.keys import KeyScope
from pipeline.memory import MemoryRecords
from tests.support.bench import Watched
from tests.support.tools import ManualClock

SCOPE = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [], "http_version": "1.1"}


class Client:
    """Asks for a stream, takes what is sent, and may leave."""

    def __init__(self):
        self.sent = asyncio.Queue()
        self.gone = asyncio.Event()
        self.takes = asyncio.Event()
        self.takes.set()

    async def receive(self):
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        await self.takes.wait()
        self.sent.put_nowait(message)

    async def chunk(self):
        return (await asyncio.wait_for(self.sent.get(), 2))["body"]


class Service:
    """Streams `one`, then nothing until it is told to go on, then `two`."""

    def __init__(self):
        self.app = StreamingApp()
        self.app.get("/", response_class=EventStream)(self.route)
        self.go_on = asyncio.Event()
        self.is_over = asyncio.Event()
        self.held = []

    async def route(self, request: Request):
        request.scope["added"] = Event()
        self.held = [weakref.ref(request), weakref.ref(request.scope["added"])]
        return EventStream(self.chunks())

    async def chunks(self):
        try:
            yield b"one"
            await self.go_on.wait()
            yield b"two"
        finally:
            self.is_over.set()


async def begun():
    service, client = Service(), Client()
    answering = asyncio.create_task(service.app(dict(SCOPE), client.receive, client.send))
    started = await asyncio.wait_for(client.sent.get(), 2)
    assert (started["type"], started["status"]) == ("http.response.start", 200)
    assert await client.chunk() == b"one"
    return service, client, answering


def test_an_idle_stream_keeps_nothing_of_its_request():
    async def run():
        service, client, answering = await begun()
        gc.collect()
        assert [held() for held in service.held] == [None, None]
        service.go_on.set()
        assert [await client.chunk(), await client.chunk()] == [b"two", b""]
        await asyncio.wait_for(answering, 2)

    asyncio.run(run())


def test_a_stream_ends_as_soon_as_its_client_has_left():
    async def run():
        service, client, answering = await begun()
        client.gone.set()
        await asyncio.wait_for(answering, 2)
        assert service.is_over.is_set()

    asyncio.run(run())


def test_a_client_that_takes_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(streaming, "SEND_WITHIN_S", 0.05)

    async def run():
        service, client, answering = await begun()
        client.takes.clear()
        service.go_on.set()
        with pytest.raises(ExceptionGroup) as raised:
            await asyncio.wait_for(answering, 2)
        assert raised.group_contains(TimeoutError)
        assert service.is_over.is_set()

    asyncio.run(run())


# keys


@pytest.fixture
def keyed():
    """A service, whoever was let in with a key, and the records that know of it."""
    clock = ManualClock()
    records = Watched(MemoryRecords(clock))
    key, _ = KeyDesk(records.inner, clock, SystemRandom()).create("a", "x", frozenset(KeyScope), timedelta(hours=1))
    service = Service()
    service.app.state.wiring = SimpleNamespace(key_ring=KeyRing(records, clock))
    return service, Caller("a", key.scopes, key), records, clock


async def heard_after(keyed, change):
    """What a stream says after something has changed, up to its end."""
    service, caller, _, _ = keyed
    client = Client()
    scope = {**SCOPE, "state": {"caller": caller}}
    task = asyncio.create_task(service.app(scope, client.receive, client.send))
    await client.sent.get()
    assert await client.chunk() == b"one"
    change()
    service.go_on.set()
    heard = await client.chunk()
    assert await client.chunk() == b""
    await asyncio.wait_for(task, 2)
    assert service.is_over.is_set()
    return heard


def test_a_stream_goes_on_while_its_key_is_valid(keyed):
    _, _, records, clock = keyed
    assert asyncio.run(heard_after(keyed, lambda: clock.advance(KNOWN_FOR_S))) == b"two"
    assert records.log.count("key") == 2


def test_a_stream_ends_once_its_key_is_revoked(keyed):
    _, caller, records, clock = keyed

    def revoke():
        records.inner.revoke_key(caller.key.id, clock.now())
        clock.advance(KNOWN_FOR_S)

    heard = asyncio.run(heard_after(keyed, revoke))
    assert heard.startswith(b"event: error")
    assert b"unauthorized" in heard


def test_a_stream_ends_once_its_key_expires(keyed):
    assert b"unauthorized" in asyncio.run(heard_after(keyed, lambda: keyed[-1].advance(3600)))


def test_a_stream_goes_on_while_nobody_can_look_at_its_key(keyed):
    _, _, records, clock = keyed

    def lose_the_records():
        records.broken["key"] = RecordsUnavailable("no answer")
        clock.advance(KNOWN_FOR_S)

    assert asyncio.run(heard_after(keyed, lose_the_records)) == b"two"


def test_of_many_streams_one_looks_at_the_key_for_all(keyed):
    service, caller, _, clock = keyed
    ring = service.app.state.wiring.key_ring
    assert [ring.is_to_look_again(caller.key) for _ in range(3)] == [True, False, False]
    clock.advance(KNOWN_FOR_S)
    assert [ring.is_to_look_again(caller.key) for _ in range(3)] == [True, False, False]
