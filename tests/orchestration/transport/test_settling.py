"""What becomes of a delivery: settled, lost, or delivered again."""

import gc
from contextlib import suppress

import pytest

from orchestration.transport import scripts
from tests.orchestration.transport.bus import contents
from tests.support.waiting import until


def until_contents(client, queue, expected):
    until(lambda: contents(client, queue) == expected, within_s=10, what=f"{queue} to hold {expected}")


def settled(worker, client, queue="fetch"):
    worker.until(lambda: not contents(client, queue), "all to be settled")


def counts(message):
    return message.headers["x-delivery-count"]


# settling


def test_what_is_acknowledged_is_gone(bus, client):
    bus.publish("fetch", 1, 2, 3)
    worker = bus.worker("fetch")
    for message in worker.take(3):
        message.ack()
    settled(worker, client)
    assert client.xlen("{fetch}:lane:0") == 0


def test_what_is_rejected_is_gone(bus, client):
    bus.publish("fetch", 1)
    worker = bus.worker("fetch")
    worker.take()[0].reject()
    settled(worker, client)
    assert client.xlen("{fetch}:dead") == 0


def test_what_is_requeued_comes_again_and_counts(bus, client):
    bus.publish("fetch", 1)
    worker = bus.worker("fetch", prefetch=1)
    worker.take()[0].requeue()
    for count in (1, 2):
        (message,) = worker.take()
        assert message.headers["redelivered"] is True
        assert message.delivery_info["redelivered"] is True
        assert counts(message) == count
        message.requeue()
    worker.take()[0].ack()
    settled(worker, client)


def test_what_is_requeued_to_the_limit_is_a_dead_letter(bus, client):
    bus.publish("fetch", {"n": 1}, headers={"id": "one", "task": "t"})
    worker = bus.worker("fetch", prefetch=1, delivery_limit=2)
    worker.take()[0].requeue()
    worker.take()[0].requeue()
    settled_but_dead = {"dead": (1, 0)}
    worker.until(lambda: contents(client, "fetch") == settled_but_dead, "a dead letter")
    ((_, letter),) = client.xrange("{fetch}:dead")
    assert letter["reason"] == "rejected"
    assert letter["n"] == "2"
    assert letter["t"] == "one"
    assert letter["consumer"] == worker.channel.member.name
    assert worker.messages == []


def test_what_is_dropped_unsettled_comes_again_and_does_not_count(bus, client):
    bus.publish("fetch", 1)
    worker = bus.worker("fetch", prefetch=1, lease_s=1)
    worker.take()
    gc.collect()
    (message,) = worker.take()
    assert counts(message) == 0
    message.ack()
    settled(worker, client)


def test_an_acknowledgement_over_a_closed_channel_arrives(bus, client):
    bus.publish("fetch", 1)
    worker = bus.worker("fetch")
    (message,) = worker.take()
    worker.connection.close()
    message.ack()
    assert contents(client, "fetch") == {}


def test_an_acknowledgement_during_an_outage_arrives_afterwards(bus, client, proxy):
    bus.publish("fetch", 1)
    worker = bus.worker("fetch", url=proxy.url, lease_s=1)
    (message,) = worker.take()
    proxy.shut()
    message.ack()
    assert contents(client, "fetch") == {"lane:0": (1, 1)}
    proxy.open()
    until_contents(client, "fetch", {})


def test_a_lost_acknowledgement_is_sent_again(bus, client, proxy):
    bus.publish("fetch", 1)
    worker = bus.worker("fetch", url=proxy.url, lease_s=1)
    (message,) = worker.take()
    proxy.lose_replies(to=scripts.TURN.sha.encode())
    message.ack()
    with pytest.raises(worker.connection.connection_errors):
        worker.until(lambda: False, "the connection to break")
    until_contents(client, "fetch", {})
    until(lambda: len(worker.channel.member.ledger) == 0, within_s=5, what="the ledger to be empty")


def test_a_callback_that_raises_loses_none_of_the_messages_that_came_along(bus, client):
    bus.publish("fetch", 1, 2, 3)
    worker = bus.worker("fetch")
    worker.consumer.on_message = raises_once(worker.messages)
    with pytest.raises(ZeroDivisionError):
        worker.until(lambda: False, "the callback to raise")
    worker.until(lambda: len(worker.messages) == 3, "all three", within_s=3)
    assert sorted(worker.bodies) == [1, 2, 3]


def raises_once(messages):
    raised = []

    def receive(message):
        if not raised:
            raised.append(1)
            1 / 0  # noqa: B018
        messages.append(message)

    return receive


# losing


def test_a_delivery_that_was_lost_with_its_connection_comes_again(bus, client, proxy):
    worker = bus.worker("fetch", url=proxy.url)
    proxy.lose_replies(to=b"BLOCK")
    worker.idle(client)
    bus.publish("fetch", 1)
    with pytest.raises(worker.connection.connection_errors):
        worker.until(lambda: False, "the connection to break")
    assert contents(client, "fetch") == {"lane:0": (1, 1)}
    worker.connection.close()
    again = bus.worker("fetch", url=proxy.url)
    (message,) = again.take()
    assert counts(message) == 0


def test_a_batch_that_was_lost_with_its_connection_comes_again_in_its_order(bus, client, proxy):
    bus.publish("fetch", *range(5))
    proxy.lose_replies(to=scripts.TURN.sha.encode())
    worker = bus.worker("fetch", url=proxy.url)
    with pytest.raises(worker.connection.connection_errors):
        worker.until(lambda: False, "the connection to break")
    assert contents(client, "fetch") == {"lane:0": (5, 5)}
    worker.connection.close()
    assert bus.worker("fetch", url=proxy.url, prefetch=1).work(5) == [0, 1, 2, 3, 4]


def test_what_is_held_while_the_connection_breaks_is_not_delivered_again(bus, client, proxy):
    bus.publish("fetch", 1)
    worker = bus.worker("fetch", url=proxy.url)
    (message,) = worker.take()
    proxy.shut()
    with pytest.raises(worker.connection.connection_errors):
        worker.until(lambda: False, "the connection to break")
    proxy.open()
    again = bus.worker("fetch", url=proxy.url)
    again.idle(client)
    assert again.messages == []
    message.ack()
    settled(again, client)


def test_what_is_held_takes_credit_over_later_connections_too(bus, client):
    """Its task still runs here."""
    bus.publish("fetch", 1, 2)
    worker = bus.worker("fetch", prefetch=1)
    (message,) = worker.take()
    worker.connection.close()
    again = bus.worker("fetch", prefetch=1)
    again.poll_for(0.1)
    assert again.messages == []
    message.ack()
    assert again.work(1) == [2]


def test_consumers_survive_the_loss_of_everything(bus, client):
    worker = bus.worker("fetch", prefetch=1)
    worker.idle(client)
    client.flushdb()
    bus.publish("fetch", 1, 2)
    assert worker.work(2) == [1, 2]
    settled(worker, client)


def test_consumers_survive_the_loss_of_everything_while_they_hold_something(bus, client):
    bus.publish("fetch", 1)
    worker = bus.worker("fetch", prefetch=1)
    (message,) = worker.take()
    client.flushdb()
    bus.publish("fetch", 2)
    message.ack()
    assert worker.work(1) == [2]
    settled(worker, client)


def test_what_is_published_before_a_lost_group_is_made_again_is_read(bus, client):
    worker = bus.worker("fetch")
    worker.idle(client)
    client.delete("{fetch}:lane:0", "{fetch}:redelivery")
    bus.publish("fetch", 1, 2)
    assert sorted(worker.work(2)) == [1, 2]


def test_consumers_teach_the_server_its_scripts_again(bus, client):
    bus.publish("fetch", 1, 2)
    worker = bus.worker("fetch", prefetch=1)
    assert worker.work(1) == [1]
    client.script_flush()
    (message,) = worker.take()
    message.requeue()
    client.script_flush()
    assert worker.work(1) == [2]
    settled(worker, client)


def test_any_number_of_connections_may_break(bus, client):
    """A channel connects anew over and over."""
    worker = bus.worker("fetch", prefetch=1)
    for _ in range(110):
        idle_again(worker, client)
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    bus.publish("fetch", 1)
    idle_again(worker, client)
    assert worker.work(1) == [1]


def idle_again(worker, client):
    while True:
        with suppress(*worker.connection.connection_errors):
            return worker.until(lambda: worker.messages or client.info("clients")["blocked_clients"], "a blocking read")
