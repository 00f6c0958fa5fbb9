"""Appending messages, each once."""

import os
import threading
import time

import pytest
import redis.exceptions
from kombu import Producer

from orchestration.transport import BrokerFull, scripts
from orchestration.transport import publisher as publisher_module
from orchestration.transport.connections import make_pool
from orchestration.transport.options import Options
from orchestration.transport.publisher import Publisher
from orchestration.transport.urls import read_url
from tests.support.forking import forked

QUEUE = Options().queue("fetch")
ANY = scripts.PUBLISH.sha.encode()


def payload(task_id="one", body="[]", **headers):
    return {
        "body": body,
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": "t", "id": task_id, **headers},
        "properties": {"priority": 0, "delivery_info": {}},
    }


@pytest.fixture
def publisher(server):
    publisher = make_publisher(server.url)
    yield publisher
    publisher.close()


@pytest.fixture
def publisher_over(bus):  # after the bus, whose publications of unknown outcome end with the test
    """Makes publishers."""
    publishers = []

    def make(url, patience_s=0.0, **options):
        publishers.append(make_publisher(url, patience_s, **options))
        return publishers[-1]

    yield make
    for publisher in publishers:
        publisher.close()


def make_publisher(url, patience_s=0.0, **options):
    pool = make_pool(read_url(url), options)
    return Publisher(lambda: pool, patience_s)


def task_ids(client, stream="{fetch}:lane:0"):
    return [entry["t"] for _, entry in client.xrange(stream)]


def test_a_message_goes_to_the_lane_of_its_priority(client, publisher):
    publisher.publish(QUEUE, payload("urgent"), 0)
    publisher.publish(QUEUE, payload("usual"), 4)
    publisher.publish(QUEUE, payload("late"), 9)
    assert task_ids(client, "{fetch}:lane:0") == ["urgent"]
    assert task_ids(client, "{fetch}:lane:3") == ["usual"]
    assert task_ids(client, "{fetch}:lane:9") == ["late"]


def test_two_messages_are_two_even_when_they_are_alike(client, publisher):
    publisher.publish(QUEUE, payload(), 0)
    publisher.publish(QUEUE, payload(), 0)
    assert task_ids(client) == ["one", "one"]


def test_a_publisher_s_marker_expires(client, publisher):
    publisher.publish(QUEUE, payload(), 0)
    (marker,) = client.keys("{fetch}:pub:*")
    assert 0 < client.ttl(marker) <= 300


def test_a_lost_reply_does_not_double_a_message(client, proxy, publisher_over):
    publisher = publisher_over(proxy.url)
    proxy.lose_replies(to=ANY)
    publisher.publish(QUEUE, payload("one"), 0)
    publisher.publish(QUEUE, payload("two"), 0)
    assert proxy.replies_to_lose == 0
    assert task_ids(client) == ["one", "two"]


def test_a_lost_reply_does_not_double_a_delayed_message(client, proxy, publisher_over):
    proxy.lose_replies(to=ANY)
    publisher_over(proxy.url).publish(QUEUE, payload(eta="2999-01-01T00:00:00+00:00"), 0)
    assert proxy.replies_to_lose == 0
    assert client.zcard("{fetch}:delayed") == 1


def test_what_may_have_arrived_is_not_appended_again_over_another_channel(client, proxy, publisher_over):
    proxy.lose_replies(to=ANY, times=2)
    with pytest.raises(redis.exceptions.ConnectionError):
        publisher_over(proxy.url).publish(QUEUE, payload(), 0)
    publisher_over(proxy.url).publish(QUEUE, payload(), 0)
    assert task_ids(client) == ["one"]


def test_what_did_not_arrive_is_appended_over_another_channel(client, proxy, publisher_over):
    first = publisher_over(proxy.url)
    proxy.shut()
    with pytest.raises(redis.exceptions.ConnectionError):
        first.publish(QUEUE, payload(), 0)
    proxy.open()
    publisher_over(proxy.url).publish(QUEUE, payload(), 0)
    assert task_ids(client) == ["one"]


def test_what_may_have_arrived_is_repeated_once_and_then_meant_as_another(client, proxy, publisher_over):
    proxy.lose_replies(to=ANY, times=2)
    publisher = publisher_over(proxy.url)
    with pytest.raises(redis.exceptions.ConnectionError):
        publisher.publish(QUEUE, payload(), 0)
    publisher.publish(QUEUE, payload(), 0)
    publisher.publish(QUEUE, payload(), 0)
    assert task_ids(client) == ["one", "one"]


def test_another_try_of_the_task_is_another_message(client, proxy, publisher_over):
    proxy.lose_replies(to=ANY, times=2)
    publisher = publisher_over(proxy.url)
    with pytest.raises(redis.exceptions.ConnectionError):
        publisher.publish(QUEUE, payload(retries=0), 0)
    publisher.publish(QUEUE, payload(retries=1), 0)
    publisher.publish(QUEUE, payload(retries=0), 0)
    assert task_ids(client) == ["one", "one"]


def test_others_are_appended_between_the_tries_of_one(client, proxy, publisher_over):
    proxy.lose_replies(to=ANY, times=2)
    publisher = publisher_over(proxy.url)
    with pytest.raises(redis.exceptions.ConnectionError):
        publisher.publish(QUEUE, payload("one"), 0)
    publisher.publish(QUEUE, payload("two"), 0)
    publisher_over(proxy.url).publish(QUEUE, payload("one"), 0)
    assert sorted(task_ids(client)) == ["one", "two"]


def test_kombu_s_own_retry_appends_once(client, bus, proxy):
    """kombu gives up the connection and publishes over another."""
    connection = bus.connect(proxy.url)
    producer = Producer(connection)
    proxy.lose_replies(to=ANY, times=3)
    producer.publish(
        {"n": 1},
        routing_key="fetch",
        headers={"task": "t", "id": "one"},
        retry=True,
        retry_policy={"max_retries": 5, "interval_start": 0, "interval_step": 0},
    )
    assert proxy.replies_to_lose == 0
    assert task_ids(client) == ["one"]


def test_a_full_server_takes_no_message_and_says_so(client, publisher):
    client.config_set("maxmemory", 1)
    with pytest.raises(BrokerFull, match="maxmemory"):
        publisher.publish(QUEUE, payload(), 0)
    client.config_set("maxmemory", 0)
    publisher.publish(QUEUE, payload(), 0)
    assert task_ids(client) == ["one"]


def test_patience_outlasts_a_full_server(client, server, publisher_over):
    client.config_set("maxmemory", 1)
    room = threading.Timer(0.3, client.config_set, ("maxmemory", 0))
    room.start()
    publisher_over(server.url, patience_s=10).publish(QUEUE, payload(), 0)
    room.join()
    assert task_ids(client) == ["one"]


def test_patience_outlasts_an_outage(client, proxy, publisher_over):
    publisher = publisher_over(proxy.url, patience_s=10)
    publisher.publish(QUEUE, payload("before"), 0)
    proxy.shut()
    back = threading.Timer(0.5, proxy.open)
    back.start()
    publisher.publish(QUEUE, payload("during"), 0)
    back.join()
    assert task_ids(client) == ["before", "during"]


def test_patience_ends(proxy, publisher_over):
    publisher = publisher_over(proxy.url, patience_s=0.3)
    proxy.shut()
    begun = time.monotonic()
    with pytest.raises(redis.exceptions.ConnectionError):
        publisher.publish(QUEUE, payload(), 0)
    assert 0.3 <= time.monotonic() - begun < 5


def test_a_connection_that_died_idle_does_not_fail_a_publication(client, server, publisher):
    publisher.publish(QUEUE, payload("one"), 0)
    server.disconnect_everyone()
    publisher.publish(QUEUE, payload("two"), 0)
    assert task_ids(client) == ["one", "two"]


def test_any_number_of_connections_may_die(client, server, publisher):
    """A server that closes idle connections does so for as long as the publisher lives."""
    for _ in range(120):
        publisher.publish(QUEUE, payload(), 0)
        server.disconnect_everyone()
    assert client.xlen("{fetch}:lane:0") == 120


def test_a_child_process_has_a_connection_of_its_own(client, publisher):
    publisher.publish(QUEUE, payload("before"), 0)
    os.waitpid(forked(lambda: publisher.publish(QUEUE, payload("child"), 0)), 0)
    publisher.publish(QUEUE, payload("after"), 0)
    assert task_ids(client) == ["before", "child", "after"]


def test_a_server_that_forgot_its_scripts_is_told_again(client, publisher):
    publisher.publish(QUEUE, payload("one"), 0)
    client.script_flush()
    publisher.publish(QUEUE, payload("two"), 0)
    assert task_ids(client) == ["one", "two"]


def test_a_full_server_that_forgot_its_scripts_says_that_it_is_full(client, publisher):
    client.script_flush()
    client.config_set("maxmemory", 1)
    with pytest.raises(BrokerFull):
        publisher.publish(QUEUE, payload(), 0)


def test_a_delayed_message_is_due_by_the_server_s_clock(client, publisher, monkeypatch):
    """Ours may be wrong: it only tells how long from now."""

    class Late(publisher_module.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2999, 1, 1, tzinfo=tz)

    monkeypatch.setattr(publisher_module, "datetime", Late)
    publisher.publish(QUEUE, payload(eta="2999-01-01T00:01:00+00:00"), 4)
    seconds, microseconds = client.time()
    due_ms = client.eval("return redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]", 1, "{fetch}:delayed")
    assert 59_000 < int(due_ms) - (seconds * 1000 + microseconds / 1000) <= 60_001
