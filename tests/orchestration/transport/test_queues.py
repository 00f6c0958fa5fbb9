"""Declaring, purging and deleting queues."""

import pytest
from kombu import Exchange, Producer, Queue
from kombu.exceptions import ChannelError

from tests.orchestration.transport.bus import contents
from tests.support.waiting import until


def settled(worker, client, queue="fetch"):
    worker.until(lambda: not contents(client, queue), "all to be settled")


def test_a_purge_deletes_what_nobody_has_taken(bus, client):
    bus.publish("fetch", 1, 2, 3, 4, 5)
    worker = bus.worker("fetch", prefetch=2)
    held = worker.take(2)
    bus.publish("fetch", 6, priority=9)
    bus.publish("fetch", 7, headers={"id": "7", "task": "t", "eta": "2999-01-01T00:00:00Z"})
    assert worker.channel.queue_purge("fetch") == 5
    assert contents(client, "fetch") == {"lane:0": (2, 2)}
    assert client.zcard("{fetch}:delayed") == 0
    for message in held:
        message.ack()
    bus.publish("fetch", 8)
    assert worker.work(1) == [8]
    settled(worker, client)


def test_a_group_s_lag_is_exact_after_a_purge(bus, client):
    bus.publish("fetch", 1, 2, 3)
    worker = bus.worker("fetch", prefetch=1)
    worker.take()[0].ack()
    worker.take()[0].reject()
    worker.until(lambda: len(worker.messages) == 1, "the last message")
    bus.publish("fetch", 4, 5, 6)
    worker.channel.queue_purge("fetch")
    worker.messages.pop().ack()
    worker.until(lambda: contents(client, "fetch") == {}, "all to be settled")
    assert lag(client) == 0
    worker.connection.close()
    bus.publish("fetch", 7, 8)
    assert lag(client) == 2


def lag(client):
    (group,) = client.xinfo_groups("{fetch}:lane:0")
    return group["lag"]


def test_a_queue_that_was_never_consumed_can_be_purged(bus, client):
    bus.publish("fetch", *range(600))
    assert bus.connect().channel().queue_purge("fetch") == 600
    assert contents(client, "fetch") == {}


def test_purging_what_does_not_exist_deletes_nothing(bus):
    assert bus.connect().channel().queue_purge("fetch") == 0


def test_a_deleted_queue_leaves_nothing(bus, client):
    bus.publish("fetch", 1)
    worker = bus.worker("fetch", prefetch=1, lease_s=1)
    Queue("fetch", Exchange("work"), routing_key="fetch")(worker.channel).declare()
    worker.take()[0].requeue()
    bus.publish("fetch", 2, headers={"id": "2", "task": "t", "eta": "2999-01-01T00:00:00Z"})
    worker.consumer.cancel()
    worker.channel.queue_delete("fetch")
    assert [key for key in client.keys("{fetch}:*") if ":pub:" not in key] == []


def test_a_passive_declaration_tells_whether_a_queue_exists(bus, client):
    channel = bus.connect().channel()
    with pytest.raises(ChannelError, match="NOT_FOUND"):
        channel.queue_declare("fetch", passive=True)
    bus.publish("fetch", 1, 2)
    assert channel.queue_declare("fetch", passive=True).message_count == 2


def test_a_queue_exists_once_it_was_consumed(bus, client):
    worker = bus.worker("fetch", lease_s=1)
    until(lambda: client.sismember("streams:queues", "fetch"), within_s=5, what="a beat")
    channel = bus.connect().channel()
    assert channel.queue_declare("fetch", passive=True).message_count == 0
    assert worker.messages == []


def test_a_declaration_counts_what_is_ready(bus):
    bus.publish("fetch", 1, 2, 3)
    bus.publish("fetch", 4, priority=9)
    bus.publish("fetch", 5, headers={"id": "5", "task": "t", "eta": "2999-01-01T00:00:00Z"})
    worker = bus.worker("fetch", prefetch=1)
    held = worker.take()
    assert worker.channel.queue_declare("fetch").message_count == 3
    held[0].requeue()
    assert worker.channel.queue_declare("fetch").message_count == 4


def test_an_exchange_leads_to_its_queues(bus):
    exchange = Exchange("work", type="direct")
    worker = bus.worker("fetch")
    channel = bus.connect().channel()
    Queue("fetch", exchange, routing_key="to fetch")(channel).declare()
    Producer(channel, exchange).publish({"n": 1}, routing_key="to fetch")
    assert worker.work(1) == [{"n": 1}]


def test_keys_have_the_prefix_that_was_set(bus, client):
    connection = bus.connect(global_keyprefix="prod:")
    Producer(connection.channel()).publish({"n": 1}, routing_key="fetch")
    worker = bus.worker("fetch", global_keyprefix="prod:")
    assert worker.work(1) == [{"n": 1}]
    worker.idle(client)
    assert [key for key in client.keys("*") if not key.startswith("prod:")] == []
