import asyncio
import gc
import weakref
from threading import Event

import pytest
from fastapi import Request

from api import streaming
from api.streaming import EventStream, StreamingApp

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
