"""What kombu is given: bodies, ways to consume, and the end of consuming."""

import gc

import pytest
import redis.exceptions
from kombu import Producer, Queue

from orchestration.transport import Depth
from tests.orchestration.transport.bus import Worker, contents
from tests.support.waiting import until


def until_contents(client, queue, expected):
    until(lambda: contents(client, queue) == expected, within_s=10, what=f"{queue} to hold {expected}")


def settled(worker, client, queue="fetch"):
    worker.until(lambda: not contents(client, queue), "all to be settled")


def counts(message):
    return message.headers["x-delivery-count"]


# bodies


@pytest.mark.parametrize(
    ("body", "serializer"),
    [
        ({"text": "Käse ☃ \u2028 𝄞", "lone": "\ud800"}, "json"),
        ([1, 2.5, None, True, {}], "json"),
        ({"any": (b"\x00\xff", {1, 2})}, "pickle"),
    ],
)
def test_a_body_arrives_as_it_was_sent(bus, body, serializer):
    bus.publish("fetch", body, serializer=serializer)
    assert bus.worker("fetch").work(1) == [body]


@pytest.mark.parametrize("body", [b"\x00\xff\xfe raw", b"", b"x" * 2_000_000], ids=["bytes", "none", "many"])
def test_raw_bytes_arrive_as_they_were_sent(bus, body):
    bus.publish("fetch", body, serializer=None, content_type="application/data", content_encoding="binary")
    (message,) = bus.worker("fetch").take()
    assert (message.body or b"") == body


def test_a_compressed_body_arrives(bus):
    bus.publish("fetch", {"text": "long " * 1000}, compression="zlib")
    assert bus.worker("fetch").work(1) == [{"text": "long " * 1000}]


@pytest.mark.parametrize("queue", ["with space", "a/b/c", "käse ☃", "{braces}", "}:lane:0", "*[?]"])
def test_a_queue_may_have_any_name(bus, client, queue):
    bus.publish(queue, 1)
    worker = bus.worker(queue, prefetch=1)
    worker.take()[0].requeue()
    assert worker.work(1) == [1]
    worker.until(lambda: worker.channel.depth(queue) == Depth({0: 0, 3: 0, 6: 0, 9: 0}, 0, 0, 0, 0), "an empty queue")


@pytest.mark.parametrize(("priority", "lane"), [(99, 9), (-1, 0), (None, 0), ("7", 6)])
def test_any_priority_finds_a_lane(bus, client, priority, lane):
    bus.publish("fetch", 1, priority=priority)
    assert contents(client, "fetch") == {f"lane:{lane}": (1, 0)}


# ways to consume


def test_a_consumer_that_need_not_acknowledge(bus, client):
    bus.publish("fetch", 1, 2, 3)
    worker = bus.worker("fetch", no_ack=True)
    assert [message.payload for message in worker.take(3)] == [1, 2, 3]
    settled(worker, client)


def test_a_consumer_that_need_not_acknowledge_has_no_use_for_credit(bus):
    bus.publish("fetch", 1, 2, 3)
    assert len(bus.worker("fetch", no_ack=True, prefetch=1).take(3)) == 3


def test_two_processes_share_a_queue(bus, client):
    first = bus.worker("fetch", prefetch=1)
    bus.another_process()
    second = bus.worker("fetch", prefetch=1)
    bus.publish("fetch", 1, 2)
    both = first.take() + second.take()
    assert sorted(message.payload for message in both) == [1, 2]
    for message in both:
        message.ack()
    settled(first, client)
    settled(second, client)


def test_two_channels_of_a_process_consume_two_queues(bus, client):
    connection = bus.connect()
    first, second = Worker(connection, "one"), Worker(connection, "two")
    bus.publish("one", 1)
    bus.publish("two", 2)
    assert first.work(1) == [1]
    assert second.work(1) == [2]
    settled(first, client, "one")
    settled(second, client, "two")


def test_a_message_may_be_fetched_by_itself(bus, client):
    channel = bus.connect().channel()
    assert channel.basic_get("fetch") is None
    bus.publish("fetch", "late", priority=9)
    bus.publish("fetch", "urgent", priority=0)
    message = channel.basic_get("fetch")
    assert message.payload == "urgent"
    assert contents(client, "fetch") == {"lane:0": (1, 1), "lane:9": (1, 0)}
    message.ack()
    assert contents(client, "fetch") == {"lane:9": (1, 0)}


def test_a_message_that_is_fetched_by_itself_may_need_no_acknowledgement(bus, client):
    bus.publish("fetch", 1)
    assert bus.connect().channel().basic_get("fetch", no_ack=True).payload == 1
    assert contents(client, "fetch") == {}


def test_a_delayed_message_is_not_fetched_before_it_is_due(bus):
    bus.publish("fetch", 1, headers={"id": "1", "task": "t", "eta": "2999-01-01T00:00:00Z"})
    assert bus.connect().channel().basic_get("fetch") is None


# ending


def test_closing_a_channel_pushes_nothing_back(bus, client):
    bus.publish("fetch", 1)
    worker = bus.worker("fetch")
    (message,) = worker.take()
    worker.channel.close()
    gc.collect()
    assert contents(client, "fetch") == {"lane:0": (1, 1)}
    assert len(worker.channel.member.ledger) == 1
    assert message.payload == 1


def test_a_cancelled_consumer_gives_back_what_still_arrives(bus, client):
    worker = bus.worker("fetch", prefetch=1)
    worker.idle(client)
    bus.publish("fetch", 1)
    until_contents(client, "fetch", {"lane:0": (1, 1)})
    worker.consumer.cancel()
    assert contents(client, "fetch") == {"redelivery": (1, 0)}
    assert worker.messages == []
    (message,) = bus.worker("fetch").take()
    assert counts(message) == 0


def test_one_of_two_queues_may_be_cancelled(bus, client):
    worker = bus.worker("fetch", "read", prefetch=1)
    worker.idle(client)
    bus.publish("fetch", "left alone")
    until_contents(client, "fetch", {"lane:0": (1, 1)})
    worker.consumer.cancel_by_queue("fetch")
    bus.publish("read", "read")
    assert worker.work(1) == ["read"]
    worker.until(lambda: contents(client, "fetch") == {"redelivery": (1, 0)}, "it to be given back")
    assert worker.messages == []


def test_a_cancelled_queue_may_be_consumed_again(bus, client):
    worker = bus.worker("fetch", prefetch=1)
    for n in range(3):
        worker.idle(client)
        bus.publish("fetch", n)
        assert worker.work(1) == [n]
        worker.consumer.cancel()
        worker.consumer.consume()
    settled(worker, client)


def test_what_was_on_its_way_to_a_closed_channel_goes_to_the_process_s_next_consumer(bus, client):
    worker = bus.worker("fetch", prefetch=1)
    worker.idle(client)
    bus.publish("fetch", 1)
    until_contents(client, "fetch", {"lane:0": (1, 1)})
    worker.channel.close()
    (message,) = bus.worker("fetch").take()
    assert counts(message) == 0


def test_what_was_on_its_way_to_a_closed_channel_goes_to_another_process(bus, client):
    """This one lives on, its lease too, and never consumes again."""
    worker = bus.worker("fetch", prefetch=1, lease_s=1)
    worker.idle(client)
    bus.publish("fetch", 1)
    until_contents(client, "fetch", {"lane:0": (1, 1)})
    worker.connection.close()
    bus.another_process()
    assert bus.worker("fetch", lease_s=1).work(1) == [1]


# what stays with the stock transport


def test_an_answer_goes_to_a_list(bus, client):
    bus.publish("someone's", {"answer": 42}, correlation_id="1")
    assert client.llen("someone's") == 1


def test_a_task_with_a_correlation_goes_to_a_stream(bus, client):
    """Celery gives every task one."""
    bus.publish("fetch", [], correlation_id="1", headers={"id": "1", "task": "t"})
    assert contents(client, "fetch") == {"lane:0": (1, 0)}


def test_a_queue_that_vanishes_with_its_consumer_is_a_list(bus, client):
    worker = bus.worker()
    worker.consumer.add_queue(Queue("replies", auto_delete=True))
    worker.consumer.consume()
    bus.publish("replies", 1, correlation_id="1")
    assert worker.work(1) == [1]
    assert contents(client, "replies") == {}


def test_a_full_server_still_lets_its_messages_be_worked_off(bus, client):
    bus.publish("fetch", 1, 2, 3)
    worker = bus.worker("fetch", prefetch=1)
    client.config_set("maxmemory", 1)
    worker.take()[0].requeue()
    assert sorted(worker.work(3)) == [1, 2, 3]
    settled(worker, client)


def test_a_server_that_is_gone_is_a_connection_error(bus, proxy):
    connection = bus.connect(proxy.url)
    channel = connection.channel()
    proxy.shut()
    with pytest.raises(connection.connection_errors):
        Producer(channel).publish(1, routing_key="fetch", retry=False)
    assert issubclass(redis.exceptions.ReadOnlyError, connection.connection_errors)
