"""What a message may hold, and kombu's own interfaces: the same on the Streams transport as on the stock one."""

from contextlib import suppress
from queue import Empty
from uuid import uuid4

import pytest
from kombu import Consumer, Exchange, Producer, Queue

from orchestration.transport import member as member_module
from tests.support.celery_fleet import WITHIN_S

TEXT = "Schleuse über Ödön – 水門 🚢 \x00 \u2028 \"'\\"
MEGABYTE = "x" * 2**20


@pytest.fixture
def connection(fleet, monkeypatch):
    """Consumes in this process; what it is to the fleet then ends with the test and not with the process."""
    members = {}
    monkeypatch.setattr(member_module, "_members", members)
    monkeypatch.setattr(member_module, "Finalize", lambda *_args, **_options: None)
    with fleet.app.connection_for_write() as connection:
        yield connection
        for member in members.values():
            member.leave()


@pytest.fixture
def queue():
    name = f"kombu-{uuid4()}"
    return Queue(name, Exchange(name, type="direct"), routing_key=name)


def test_text_of_all_scripts_comes_back_as_it_was(fleet):
    assert fleet.run("echo", {TEXT: [TEXT, None, 1.5]}, kwargs={"named": TEXT}) == [
        {TEXT: [TEXT, None, 1.5]},
        {"named": TEXT},
    ]


def test_a_compressed_message_comes_back_as_it_was(fleet):
    assert fleet.run("echo", TEXT * 1000, compression="gzip") == TEXT * 1000


def test_a_megabyte_comes_back_as_it_was(fleet):
    assert fleet.run("echo", MEGABYTE) == MEGABYTE


def test_headers_and_priority_reach_the_task(fleet):
    facts = fleet.run("request_facts", headers={"x-trace": TEXT}, priority=6)
    assert facts["headers"]["x-trace"] == TEXT
    assert facts["priority"] == 6
    assert facts["routing_key"] == "parity"
    assert facts["retries"] == 0


def test_binary_bodies_come_back_as_they_were(connection, queue):
    body = bytes(range(256)) * 10
    received = []
    with connection.channel() as channel:
        Producer(channel).publish(
            body,
            exchange=queue.exchange,
            routing_key=queue.routing_key,
            declare=[queue],
            content_type="application/data",
            content_encoding="binary",
        )
        with Consumer(
            channel, [queue(channel)], callbacks=[lambda got, message: received.append(got) or message.ack()]
        ):
            connection.drain_events(timeout=WITHIN_S)
    assert received == [body]


def test_a_simple_queue_gives_what_was_put_in_order(connection):
    with connection.SimpleQueue(f"simple-{uuid4()}") as simple:
        for n in range(3):
            simple.put({"n": n, "text": TEXT})
        assert simple.qsize() == 3
        for n in range(3):
            message = simple.get(timeout=WITHIN_S)
            assert message.payload == {"n": n, "text": TEXT}
            message.ack()
        with pytest.raises(Empty):
            simple.get(block=False)
        simple.put("dropped")
        assert simple.clear() == 1
        with pytest.raises(Empty):
            simple.get(block=False)


def test_a_requeued_message_comes_again(connection):
    with connection.SimpleQueue(f"simple-{uuid4()}") as simple:
        simple.put("again")
        simple.get(timeout=WITHIN_S).requeue()
        message = simple.get(timeout=WITHIN_S)
        assert message.payload == "again"
        assert message.delivery_info.get("redelivered") or message.headers.get("redelivered")
        message.ack()


def test_a_passive_declaration_counts_messages_of_all_priorities(connection, queue):
    with connection.channel() as channel:
        bound = queue(channel)
        bound.declare()
        producer = Producer(channel, exchange=bound.exchange, routing_key=bound.routing_key)
        for priority in (0, 3, 6, 9):
            producer.publish("one", priority=priority)
        assert bound.queue_declare(passive=True).message_count == 4
        assert bound.purge() == 4
        assert bound.queue_declare().message_count == 0


def test_a_polled_get_takes_the_urgent_first(connection, queue):
    with connection.channel() as channel:
        bound = queue(channel)
        bound.declare()
        producer = Producer(channel, exchange=bound.exchange, routing_key=bound.routing_key)
        for priority in (9, 0):
            producer.publish(str(priority), priority=priority)
        taken = [bound.get(), bound.get()]
        assert [message.payload for message in taken] == ["0", "9"]
        [message.ack() for message in taken]
        assert bound.get() is None


def test_a_topic_reaches_every_queue_that_asks_for_it(connection):
    exchange = Exchange(f"topics-{uuid4()}", type="topic")
    with connection.channel() as channel:
        wide, narrow, other = (
            Queue(f"topic-{uuid4()}", exchange, routing_key=key)(channel) for key in ("news.#", "news.*.de", "sports.#")
        )
        for bound in (wide, narrow, other):
            bound.declare()
        Producer(channel, exchange).publish("one", routing_key="news.today.de")
        Producer(channel, exchange).publish("two", routing_key="news.today.fr")
        # Of the stock transport's queues none exists that holds no message.
        assert [bound.queue_declare().message_count for bound in (wide, narrow, other)] == [2, 1, 0]
        assert wide.purge() + narrow.purge() == 3


def test_a_consumer_that_acknowledges_nothing_leaves_nothing(connection, queue):
    received = []
    with connection.channel() as channel:
        bound = queue(channel)
        bound.declare()
        Producer(channel, bound.exchange, bound.routing_key).publish("one")
        with Consumer(channel, [bound], no_ack=True, callbacks=[lambda body, _message: received.append(body)]):
            connection.drain_events(timeout=WITHIN_S)
    assert received == ["one"]
    with connection.channel() as channel:
        assert queue(channel).queue_declare().message_count == 0
        assert queue(channel).get() is None


def test_a_prefetch_limit_is_kept(connection, queue):
    received = []
    with connection.channel() as channel:
        bound = queue(channel)
        bound.declare()
        producer = Producer(channel, bound.exchange, bound.routing_key)
        for n in range(5):
            producer.publish(n)
        channel.basic_qos(0, 2, False)
        with Consumer(channel, [bound], callbacks=[lambda _body, message: received.append(message)]):
            drain(connection, until=lambda: len(received) == 2)
            drain(connection, until=lambda: False, idle_s=0.3)
            assert len(received) == 2
            received[0].ack()
            drain(connection, until=lambda: len(received) == 3)
            for message in received[1:]:
                message.ack()
            drain(connection, until=lambda: len(received) == 5)
            for message in received[3:]:
                message.ack()
    assert [message.payload for message in received] == [0, 1, 2, 3, 4]


def drain(connection, *, until, idle_s=WITHIN_S):
    """Handle events until this is so, or until nothing has come for so long."""
    with suppress(TimeoutError):
        while not until():
            connection.drain_events(timeout=idle_s)
