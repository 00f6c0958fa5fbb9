"""In which order messages are read, and how many."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from kombu import Queue

from tests.orchestration.transport.bus import contents
from tests.support.waiting import until


def fill(bus, queue, count, priority=0):
    bus.publish(queue, *({"priority": priority, "n": n} for n in range(count)), priority=priority)


def priorities(bodies):
    return [body["priority"] for body in bodies]


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def protocol(request):
    return request.param


def test_messages_arrive_by_a_turn_and_by_a_wait(bus, client, protocol):
    bus.publish("fetch", "ready")
    worker = bus.worker("fetch", protocol=protocol)
    assert worker.work(1) == ["ready"]
    worker.idle(client)
    bus.publish("fetch", "awaited")
    assert worker.work(1) == ["awaited"]


# order


def test_the_most_urgent_lane_is_read_first_and_each_in_its_order(bus):
    for priority in (9, 0, 5, 3, 0):
        bus.publish("fetch", priority, priority=priority)
    assert bus.worker("fetch", prefetch=1).work(5) == [0, 0, 5, 3, 9]


def test_what_becomes_urgent_meanwhile_overtakes(bus):
    fill(bus, "fetch", 3, priority=9)
    worker = bus.worker("fetch", prefetch=1)
    assert priorities(worker.work(1)) == [9]
    worker.poll()  # the next one may already be on its way
    fill(bus, "fetch", 2, priority=0)
    assert priorities(worker.work(4))[1:] == [0, 0, 9]


def test_what_failed_is_read_before_anything_else(bus, client):
    bus.publish("fetch", "late", priority=9)
    worker = bus.worker("fetch", prefetch=1)
    (message,) = worker.take()
    bus.publish("fetch", "urgent", priority=0)
    message.requeue()
    assert worker.work(2) == ["late", "urgent"]


def test_one_message_in_so_many_is_taken_from_a_lower_lane_first(bus):
    fill(bus, "fetch", 40, priority=0)
    fill(bus, "fetch", 20, priority=9)
    worker = bus.worker("fetch", prefetch=1, priority_steps=[0, 9], lower_lane_share=4)
    assert priorities(worker.work(24)) == [0, 0, 0, 9] * 6


def test_the_lower_lanes_take_turns(bus):
    fill(bus, "fetch", 40, priority=0)
    for priority in (3, 6, 9):
        fill(bus, "fetch", 20, priority=priority)
    worker = bus.worker("fetch", prefetch=1, lower_lane_share=4)
    assert Counter(priorities(worker.work(24))) == {0: 18, 3: 2, 6: 2, 9: 2}


def test_the_share_is_kept_when_only_one_lower_lane_has_messages(bus):
    fill(bus, "fetch", 40, priority=0)
    fill(bus, "fetch", 20, priority=9)
    worker = bus.worker("fetch", prefetch=1, lower_lane_share=4)
    assert Counter(priorities(worker.work(24))) == {0: 18, 9: 6}


@pytest.mark.parametrize("prefetch", [2, 4, 8])
def test_the_share_is_kept_when_several_messages_are_read_at_once(bus, prefetch):
    fill(bus, "fetch", 80, priority=0)
    fill(bus, "fetch", 20, priority=9)
    worker = bus.worker("fetch", prefetch=prefetch, priority_steps=[0, 9], lower_lane_share=4)
    taken = []
    while len(taken) < 64:
        worker.until(lambda: len(worker.messages) == prefetch, "as much as may be prefetched")
        messages = worker.take(prefetch)
        taken += priorities(message.payload for message in messages)
        for message in messages:
            message.ack()
    assert 15 <= taken[:64].count(9) <= 17


def test_lower_lanes_are_read_when_the_upper_are_empty(bus):
    fill(bus, "fetch", 5, priority=9)
    assert priorities(bus.worker("fetch", prefetch=1).work(5)) == [9] * 5


# how many


@pytest.mark.parametrize("prefetch", [1, 3, 7])
def test_no_more_than_the_prefetch_limit_is_held(bus, client, prefetch):
    for queue in ("fetch", "read"):
        for priority in (0, 3, 6, 9):
            fill(bus, queue, 3, priority)
    worker = bus.worker("fetch", "read", prefetch=prefetch)
    for left in range(24, 0, -1):
        worker.until(lambda left=left: len(worker.messages) >= min(prefetch, left), "messages up to the limit")
        worker.poll()
        assert len(worker.messages) <= prefetch
        worker.messages.pop(0).ack()
    worker.until(lambda: not contents(client, "fetch") | contents(client, "read"), "all to be settled")


def test_several_streams_that_fill_at_once_do_not_exceed_the_prefetch_limit(bus, proxy):
    """Between the turn that found all empty and the blocking read."""
    proxy.on_request = fills_first(bus)
    worker = bus.worker("fetch", prefetch=1, url=proxy.url)
    _held = worker.take()
    worker.poll_for(0.1)
    assert worker.messages == []


def test_several_streams_that_fill_at_once_are_read_in_order(bus, proxy):
    proxy.on_request = fills_first(bus)
    worker = bus.worker("fetch", prefetch=1, url=proxy.url)
    bodies = worker.work(4)
    assert bodies[1:] == sorted(bodies[1:])


def fills_first(bus):
    """Fills all lanes just before the first blocking read reaches the server."""
    left = [9, 6, 3, 0]

    def fill_lanes(request):
        while b"BLOCK" in request and left:
            priority = left.pop()
            bus.publish("fetch", priority, priority=priority)

    return fill_lanes


def test_without_a_limit_everything_is_read(bus, client):
    fill(bus, "fetch", 350)
    worker = bus.worker("fetch")
    messages = worker.take(350)
    assert [message.payload["n"] for message in messages] == list(range(350))
    assert contents(client, "fetch") == {"lane:0": (350, 350)}


def test_a_limit_that_is_lowered_holds_from_then_on(bus):
    fill(bus, "fetch", 10)
    worker = bus.worker("fetch", prefetch=4)
    held = worker.take(4)
    worker.consumer.qos(prefetch_count=1)
    for message in held[:3]:
        message.ack()
    worker.poll_for(0.1)
    assert worker.messages == []
    held[3].ack()
    worker.take(1)


def test_a_rule_of_celery_s_own_decides_message_by_message(bus):
    """`worker_disable_prefetch` puts one in the place of ours."""
    fill(bus, "fetch", 5)
    worker = bus.worker("fetch")
    worker.channel.qos.can_consume = lambda: len(worker.messages) < 2
    worker.take(2)[0].ack()
    worker.poll_for(0.1)
    assert len(worker.messages) == 2


def test_no_credit_wakes_nobody_up(bus):
    """The event loop must not spin over what may not be read."""
    fill(bus, "fetch", 3)
    worker = bus.worker("fetch", prefetch=1)
    held = worker.take()
    with pytest.raises(TimeoutError):
        worker.connection.drain_events(timeout=0.3)
    assert held[0].payload["n"] == 0
    assert worker.messages == []


# queues


@pytest.mark.parametrize("prefetch", [1, 2, 4])
def test_queues_are_served_in_turn(bus, prefetch):
    for queue in ("one", "two", "three"):
        bus.publish(queue, *[queue] * 40)
    worker = bus.worker("one", "two", "three", prefetch=prefetch)
    served = Counter(worker.work(60))
    assert all(15 <= served[queue] <= 25 for queue in ("one", "two", "three"))


def test_a_busy_queue_does_not_hold_up_another(bus):
    bus.publish("busy", *["busy"] * 100)
    bus.publish("quiet", "quiet")
    assert "quiet" in bus.worker("busy", "quiet", prefetch=1).work(3)


def test_an_urgent_message_of_one_queue_goes_before_a_late_one_of_another(bus):
    fill(bus, "one", 3, priority=9)
    fill(bus, "two", 3, priority=0)
    assert priorities(bus.worker("one", "two", prefetch=1).work(6)) == [0, 0, 0, 9, 9, 9]


def test_a_queue_may_be_added_while_another_is_awaited(bus, client):
    worker = bus.worker("one", prefetch=1)
    worker.idle(client)
    bus.publish("two", "for two")
    worker.consumer.add_queue(Queue("two"))
    worker.consumer.consume()
    assert worker.work(1) == ["for two"]


# time


def test_a_delayed_message_arrives_when_it_is_due_in_its_lane(bus, client):
    worker = bus.worker("fetch", prefetch=1)
    worker.idle(client)
    due = eta(client, 0.3)
    bus.publish("fetch", "delayed", priority=3, headers={"id": "1", "task": "t", "eta": due.isoformat()})
    assert client.zcard("{fetch}:delayed") == 1
    (message,) = worker.take()
    assert server_time(client) >= due
    assert message.headers["eta"] is None
    assert message.delivery_tag.split("/")[1] == "2"


def test_delayed_messages_arrive_by_their_time_and_not_by_their_age(bus, client):
    for delay_s in (0.3, 0.1, 0.2):
        headers = {"id": str(delay_s), "task": "t", "eta": eta(client, delay_s).isoformat()}
        bus.publish("fetch", delay_s, headers=headers)
    assert bus.worker("fetch", prefetch=1).work(3) == [0.1, 0.2, 0.3]


def test_a_message_whose_delay_ended_unread_is_read_at_once(bus, client):
    bus.publish("fetch", "delayed", headers={"id": "1", "task": "t", "eta": eta(client, 0.05).isoformat()})
    until_due(client)
    assert bus.worker("fetch").work(1) == ["delayed"]


def server_time(client):
    seconds, microseconds = client.time()
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds)


def eta(client, delay_s):
    return server_time(client) + timedelta(seconds=delay_s)


def until_due(client):
    due_ms = int(client.eval("return redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]", 1, "{fetch}:delayed"))
    until(lambda: server_time(client).timestamp() * 1000 > due_ms, within_s=5, what="the message to be due")
