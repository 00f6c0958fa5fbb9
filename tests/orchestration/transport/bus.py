"""Consumers and publishers in this process, straight on the transport and without Celery."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import redis
from kombu import Connection, Consumer, Producer, Queue

from orchestration.transport import Inspector, broker_settings
from orchestration.transport import member as member_module
from orchestration.transport.connections import make_pool
from orchestration.transport.member import Member
from orchestration.transport.options import Options
from orchestration.transport.urls import read_url
from tests.support.waiting import NeverHappened

WITHIN_S = 10


class Worker:
    """A consumer that keeps what it gets until told what to do with it."""

    def __init__(self, connection: Connection, *queues: str, prefetch: int = 0, no_ack: bool = False) -> None:
        self.connection = connection
        self.channel: Any = connection.channel()
        self.messages: list[Any] = []
        self.consumer = Consumer(
            self.channel,
            [Queue(queue) for queue in queues],
            no_ack=no_ack,
            on_message=self.receive,
            prefetch_count=prefetch,
            accept=["json", "pickle", "application/data"],
        )
        self.consumer.consume()

    def receive(self, message: Any) -> None:
        self.messages.append(message)

    @property
    def bodies(self) -> list[Any]:
        return [message.payload for message in self.messages]

    def poll(self, timeout_s: float = 0.02) -> None:
        """Do what there is to do, and wait for no longer than this."""
        with suppress(TimeoutError):
            self.connection.drain_events(timeout=timeout_s)

    def poll_for(self, duration_s: float) -> None:
        give_up_at = time.monotonic() + duration_s
        while time.monotonic() < give_up_at:
            self.poll()

    def until(self, probe: Callable[[], Any], what: str, within_s: float = WITHIN_S) -> None:
        """Consume until something is so."""
        give_up_at = time.monotonic() + within_s
        while not probe():
            if time.monotonic() > give_up_at:
                raise NeverHappened(f"waited {within_s:g} s in vain for {what}; got {len(self.messages)} messages")
            self.poll()

    def take(self, count: int = 1) -> list[Any]:
        """The next messages, unsettled."""
        self.until(lambda: len(self.messages) >= count, f"{count} messages")
        taken, self.messages[:] = self.messages[:count], self.messages[count:]
        return taken

    def work(self, count: int) -> list[Any]:
        """The bodies of the next messages, each acknowledged before the next is taken."""
        bodies = []
        for _ in range(count):
            (message,) = self.take()
            bodies.append(message.payload)
            message.ack()
        return bodies

    def idle(self, client: redis.Redis) -> None:
        """Poll until the server holds a blocking read."""
        self.until(lambda: client.info("clients")["blocked_clients"], "a blocking read")


class Bus:
    """The connections and members of one test."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connections: list[Connection] = []
        self._members: list[Member] = []
        self._producer: Producer | None = None

    def connect(self, url: str | None = None, **options: Any) -> Connection:
        """A connection; connections with the same URL and options share one member."""
        settings = broker_settings(url or self.url, **options)
        connection = Connection(
            settings["broker_url"],
            transport=settings["broker_transport"],
            transport_options=settings["broker_transport_options"],
        )
        self._connections.append(connection)
        return connection

    def worker(
        self, *queues: str, prefetch: int = 0, no_ack: bool = False, url: str | None = None, **options: Any
    ) -> Worker:
        return Worker(self.connect(url, **options), *queues, prefetch=prefetch, no_ack=no_ack)

    def another_process(self) -> None:
        """What connects from here on is another member of the fleet."""
        self._members += member_module._members.values()
        member_module._members.clear()

    def member(self, options: Options, url: str | None = None) -> Member:
        """A member by itself."""
        member = Member(make_pool(read_url(url or self.url), {}, timeout_s=2), options)
        self._members.append(member)
        return member

    def inspector(self, url: str | None = None, **options: Any) -> Inspector:
        return Inspector(self.connect(url, **options))

    def publish(self, queue: str, *bodies: Any, serializer: str = "json", **properties: Any) -> None:
        """Publish over a connection that all of a test's publishing shares."""
        if self._producer is None:
            self._producer = Producer(self.connect().channel())
        for body in bodies:
            self._producer.publish(body, routing_key=queue, serializer=serializer, **properties)

    def close(self) -> None:
        self.another_process()
        for connection in self._connections:
            with suppress(redis.RedisError, OSError):
                connection.close()
        for member in self._members:
            member.leave()


def contents(client: redis.Redis, queue: str) -> dict[str, tuple[int, int]]:
    """What the streams of a queue hold, where they hold anything: entries, and entries that are pending."""
    found = {}
    for key in client.scan_iter(match=f"{{{queue}}}:*", _type="STREAM", count=1000):
        entries, pending = client.xlen(key), sum(group["pending"] for group in client.xinfo_groups(key))
        if entries or pending:
            found[key.removeprefix(f"{{{queue}}}:")] = (entries, pending)
    return found
