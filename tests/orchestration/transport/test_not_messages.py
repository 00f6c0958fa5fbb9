"""What somebody else put into a stream of ours stops nobody: it becomes a dead letter, as it was."""

import logging

import pytest

from orchestration.transport import scripts
from orchestration.transport.keys import GROUP
from tests.orchestration.transport.bus import contents
from tests.support.waiting import until

LANE, REDELIVERY, DEAD = "{fetch}:lane:0", "{fetch}:redelivery", "{fetch}:dead"
ALIEN = {"hello": "world", "n": "many", "reason": "a test", "h": "{"}


def put(client, stream=LANE, number=1):
    for _ in range(number):
        client.xadd(stream, ALIEN)


def letters(client):
    return [entry for _, entry in client.xrange(DEAD)]


def assert_set_aside(client, worker, number=1):
    worker.until(lambda: contents(client, "fetch") == {"dead": (number, 0)}, "dead letters and nothing else")
    about = {"n": "0", "reason": "not_a_message", "consumer": worker.channel.member.name}
    assert letters(client) == [ALIEN | about] * number


@pytest.mark.parametrize("stream", [LANE, REDELIVERY, "{fetch}:lane:9"])
@pytest.mark.parametrize("prefetch", [0, 1])
def test_messages_before_and_after_it_are_delivered(bus, client, stream, prefetch):
    bus.publish("fetch", 1)
    put(client, stream, 3)
    bus.publish("fetch", 2)
    worker = bus.worker("fetch", prefetch=prefetch)
    assert worker.work(2) == [1, 2]
    assert_set_aside(client, worker, 3)


@pytest.mark.parametrize("protocol", [2, 3])
def test_one_that_was_waited_for_is_set_aside_too(bus, client, protocol):
    worker = bus.worker("fetch", protocol=protocol)
    worker.idle(client)
    put(client)
    assert_set_aside(client, worker)
    bus.publish("fetch", 1)
    assert worker.work(1) == [1]


def test_it_is_logged(bus, client, caplog):
    put(client)
    with caplog.at_level(logging.WARNING):
        assert_set_aside(client, bus.worker("fetch"))
    assert [record.args[1] for record in caplog.records if "no message" in record.msg] == ["fetch"]


def test_one_beyond_the_prefetch_limit_is_given_back_as_it_was(bus, client, proxy):
    lanes = ["{fetch}:lane:9"]

    def fill_lanes(request):
        while b"BLOCK" in request and lanes:
            bus.publish("fetch", 1)
            put(client, lanes.pop())

    proxy.on_request = fill_lanes
    worker = bus.worker("fetch", prefetch=1, url=proxy.url)
    assert worker.work(1) == [1]
    assert_set_aside(client, worker)


def test_one_that_a_dead_worker_held_does_not_hinder_recovery(bus, client):
    put(client)
    bus.publish("fetch", 1)
    client.xgroup_create(LANE, GROUP, "0")
    client.xreadgroup(GROUP, "dead", {LANE: ">"})
    worker = bus.worker("fetch", lease_s=1)
    (message,) = worker.take()
    assert message.payload == 1
    message.ack()
    worker.until(lambda: contents(client, "fetch") == {"dead": (1, 0)}, "a dead letter and nothing else")
    ((letter),) = letters(client)
    assert (letter["hello"], letter["reason"], letter["n"]) == ("world", "not_a_message", "1")


def test_one_that_kills_its_workers_is_a_dead_letter_all_the_same(bus, client):
    put(client)
    client.xgroup_create(LANE, GROUP, "0")
    client.xreadgroup(GROUP, "dead", {LANE: ">"})
    worker = bus.worker("fetch", lease_s=1, delivery_limit=1)
    worker.until(lambda: letters(client), "a dead letter")
    with bus.inspector() as inspector:
        (letter,) = inspector.dead_letters("fetch")
    assert (letter.reason, letter.task_id, letter.count, letter.head) == ("worker_lost", "", 1, {})


def test_a_single_get_passes_over_it(bus, client):
    put(client, number=2)
    bus.publish("fetch", 1)
    channel = bus.connect().channel()
    message = channel.basic_get("fetch")
    assert message.payload == 1
    channel.basic_ack(message.delivery_tag)
    assert channel.basic_get("fetch") is None
    until(lambda: contents(client, "fetch") == {"dead": (2, 0)}, within_s=5, what="dead letters and nothing else")


def test_it_is_set_aside_later_when_the_server_does_not_hear_of_it(bus, client, proxy):
    proxy.lose_replies(to=scripts.HAND_BACK.sha.encode())
    put(client)
    worker = bus.worker("fetch", url=proxy.url, lease_s=1)
    worker.until(lambda: letters(client), "a dead letter")
    ledger = worker.channel.member.ledger
    until(lambda: not ledger.has_returns, within_s=5, what="nothing to be left to say")
    assert_set_aside(client, worker)


def test_the_inspector_shows_it(bus, client):
    client.xadd(LANE, {"t": b"\xff", "h": "[1]", "b": "body"})
    worker = bus.worker("fetch")
    worker.until(lambda: contents(client, "fetch") == {"dead": (1, 0)}, "a dead letter and nothing else")
    with bus.inspector() as inspector:
        (letter,) = inspector.dead_letters("fetch")
        assert inspector.depth("fetch").ready == 0
    assert (letter.reason, letter.task_id, letter.count) == ("not_a_message", "\ufffd", 0)
    assert (letter.head, letter.body) == ({}, b"body")
