"""Questions about the broker."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from orchestration.transport import Depth
from tests.orchestration.transport.bus import contents
from tests.support.waiting import until

NEVER = "2999-01-01T00:00:00Z"


@pytest.fixture
def inspector(bus, proxy):
    with bus.inspector(proxy.url) as inspector:
        yield inspector


def publish(bus, *task_ids, queue="fetch", priority=0, eta=None):
    for task_id in task_ids:
        bus.publish(queue, {"of": task_id}, priority=priority, headers={"id": task_id, "task": "t", "eta": eta})


# find


def test_messages_are_found_wherever_they_are(bus, inspector):
    publish(bus, "held")
    worker = bus.worker("fetch", prefetch=1)
    held = worker.take()
    publish(bus, "ready")
    publish(bus, "late", priority=9)
    publish(bus, "delayed", eta=NEVER)
    found = inspector.find("fetch", ["held", "ready", "late", "delayed", "absent"])
    assert found.present == {"held", "ready", "late", "delayed"}
    assert found.complete
    held[0].requeue()
    worker.take()
    assert inspector.find("fetch", ["held"]).present == {"held"}


def test_what_was_settled_is_not_found(bus, client, inspector):
    publish(bus, "one")
    worker = bus.worker("fetch")
    worker.work(1)
    worker.until(lambda: contents(client, "fetch") == {}, "it to be settled")
    found = inspector.find("fetch", ["one"])
    assert found.present == frozenset()
    assert found.complete


def test_a_dead_letter_is_not_found(bus, client, inspector):
    publish(bus, "one")
    worker = bus.worker("fetch", delivery_limit=1)
    worker.take()[0].requeue()
    worker.until(lambda: contents(client, "fetch") == {"dead": (1, 0)}, "a dead letter")
    assert inspector.find("fetch", ["one"]).present == frozenset()


def test_other_queues_are_not_looked_at(bus, inspector):
    publish(bus, "one", queue="read")
    assert inspector.find("fetch", ["one"]).present == frozenset()


def test_a_queue_that_does_not_exist_holds_nothing(inspector):
    found = inspector.find("fetch", ["one"])
    assert (found.present, found.complete) == (frozenset(), True)


def test_nobody_asked_for_is_found_at_once(bus, inspector):
    publish(bus, "one")
    found = inspector.find("fetch", [])
    assert (found.present, found.complete) == (frozenset(), True)


def test_a_long_queue_is_looked_at_to_its_end(bus, inspector):
    publish(bus, *(f"ready {n}" for n in range(1200)))
    publish(bus, *(f"delayed {n}" for n in range(1200)), eta=NEVER)
    wanted = {"ready 0", "ready 1199", "delayed 0", "delayed 1199"}
    found = inspector.find("fetch", [*wanted, "absent"])
    assert (found.present, found.complete) == (wanted, True)


def test_what_was_not_looked_at_is_not_called_absent(bus, inspector):
    publish(bus, *(f"ready {n}" for n in range(1200)))
    found = inspector.find("fetch", ["ready 0", "ready 1199"], most=600)
    assert (found.present, found.complete) == ({"ready 0"}, False)
    assert inspector.find("fetch", ["ready 0"], most=600).complete


def test_a_message_that_becomes_due_during_the_search_is_found(bus, client, inspector, proxy):
    publish(bus, "one", eta=NEVER)
    proxy.on_request = before(b"{fetch}:delayed", lambda: promote(client, "one"))
    assert inspector.find("fetch", ["one"]).present == {"one"}


def test_a_message_that_is_given_back_during_the_search_is_found(bus, client, inspector, proxy):
    publish(bus, "one")
    (held,) = bus.worker("fetch").take()
    proxy.on_request = before(b"{fetch}:lane:0", lambda: (held.requeue(), contents(client, "fetch")))
    assert inspector.find("fetch", ["one"]).present == {"one"}


def test_a_message_is_found_though_others_become_due_during_the_search(bus, client, inspector, proxy):
    publish(bus, *(str(n) for n in range(700)), eta=NEVER)
    pages = before(b"{fetch}:delayed", lambda: None), before(b"{fetch}:delayed", lambda: forget_first(client, 300))
    left = list(pages)

    def before_second_page(request):
        if b"{fetch}:delayed" in request and left:
            left.pop(0)(request)

    proxy.on_request = before_second_page
    wanted = {str(n) for n in range(300, 700)}
    assert inspector.find("fetch", wanted).present == wanted


def before(key, happens):
    """What happens once, just before the server is asked about this key."""
    left = [happens]

    def hook(request):
        if key in request and left:
            left.pop()()

    return hook


def promote(client, task_id):
    """As a turn does it."""
    client.eval(
        "for _, m in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do local f = cmsgpack.unpack(m)"
        " redis.call('XADD', KEYS[2], '*', 't', f[2], 'h', f[3], 'b', f[4]) redis.call('ZREM', KEYS[1], m) end",
        2,
        "{fetch}:delayed",
        "{fetch}:lane:0",
    )


def forget_first(client, count):
    client.zremrangebyrank("{fetch}:delayed", 0, count - 1)


# incarnation


def test_there_is_no_incarnation_before_the_first_consumer(bus, inspector):
    publish(bus, "one")
    assert inspector.incarnation() is None


def test_the_incarnation_stays_while_consumers_come_and_go(bus, inspector):
    worker = bus.worker("fetch")
    incarnation = inspector.incarnation()
    assert incarnation
    worker.connection.close()
    bus.another_process()
    bus.worker("fetch")
    assert inspector.incarnation() == incarnation


def test_a_server_that_lost_its_memory_is_another_incarnation(bus, client, inspector):
    bus.worker("fetch", lease_s=1)
    incarnation = inspector.incarnation()
    client.flushdb()
    another = until(inspector.incarnation, within_s=5, what="the next beat")
    assert another != incarnation


# dead letters


def test_dead_letters_say_what_they_were_and_why(bus, client, inspector):
    publish(bus, "one", "two")
    worker = bus.worker("fetch", delivery_limit=1)
    for message in worker.take(2):
        message.requeue()
    worker.until(lambda: contents(client, "fetch") == {"dead": (2, 0)}, "dead letters")
    first, second = inspector.dead_letters("fetch")
    assert (first.task_id, second.task_id) == ("one", "two")
    assert (first.reason, first.count) == ("rejected", 1)
    assert first.body == b'{"of": "one"}'
    assert first.head["headers"]["id"] == "one"
    assert inspector.dead_letters("fetch", limit=1) == [first]


def test_dead_letters_are_discarded_when_they_were_dealt_with(bus, client, inspector):
    publish(bus, "one", "two")
    worker = bus.worker("fetch", delivery_limit=1)
    for message in worker.take(2):
        message.requeue()
    worker.until(lambda: contents(client, "fetch") == {"dead": (2, 0)}, "dead letters")
    first, second = inspector.dead_letters("fetch")
    assert inspector.discard_dead_letters("fetch", [first.id]) == 1
    assert inspector.discard_dead_letters("fetch", [first.id]) == 0
    assert inspector.discard_dead_letters("fetch", []) == 0
    assert inspector.dead_letters("fetch") == [second]


def test_only_so_many_dead_letters_are_kept(bus, client, inspector):
    publish(bus, *(str(n) for n in range(400)))
    worker = bus.worker("fetch", delivery_limit=1, dead_letters_kept=100)
    for message in worker.take(400):
        message.requeue()
    worker.until(lambda: set(contents(client, "fetch")) == {"dead"}, "dead letters")
    assert 100 <= client.xlen("{fetch}:dead") <= 300
    assert inspector.dead_letters("fetch", limit=400)[-1].task_id == "399"


# depth


def test_the_depth_of_a_queue(bus, client, inspector):
    publish(bus, "held", "failed")
    worker = bus.worker("fetch", prefetch=2)
    held, failed = worker.take(2)
    publish(bus, "ready", "ready too")
    publish(bus, "late", priority=6)
    publish(bus, "delayed", eta=NEVER)
    worker.consumer.qos(prefetch_count=1)
    failed.requeue()
    expected = Depth(lanes={0: 2, 3: 0, 6: 1, 9: 0}, redelivery=1, pending=1, delayed=1, dead=0)
    assert inspector.depth("fetch") == expected
    assert expected.ready == 4
    assert held


def test_the_depth_counts_dead_letters(bus, client, inspector):
    publish(bus, "one")
    worker = bus.worker("fetch", delivery_limit=1)
    worker.take()[0].requeue()
    worker.until(lambda: inspector.depth("fetch").dead == 1, "a dead letter")
    assert inspector.depth("fetch").ready == 0


def test_nothing_stands_in_a_queue_that_does_not_exist(inspector):
    assert inspector.depth("fetch") == Depth({0: 0, 3: 0, 6: 0, 9: 0}, 0, 0, 0, 0)


# oldest


def wait_ms(ms):
    """Until then nothing can be seen of what is measured in milliseconds."""
    time.sleep(ms / 1000)


def test_nothing_that_waits_has_no_age(bus, inspector):
    assert inspector.oldest_s("fetch") is None
    publish(bus, "held")
    assert bus.worker("fetch", prefetch=1).take()
    publish(bus, "delayed", eta=NEVER)
    assert inspector.oldest_s("fetch") is None


def test_the_oldest_of_those_that_nobody_has_read_has_an_age(bus, client, inspector):
    publish(bus, "held")
    worker = bus.worker("fetch", prefetch=1)
    held = worker.take()
    publish(bus, "first", priority=9)
    wait_ms(60)
    publish(bus, "second")
    wait_ms(20)
    assert 0.08 <= inspector.oldest_s("fetch") < 5
    client.delete("{fetch}:lane:9")
    assert 0.02 <= inspector.oldest_s("fetch") < 5
    assert held


def test_what_was_handed_back_is_as_old_as_its_way_back(bus, inspector):
    publish(bus, "one")
    worker = bus.worker("fetch", prefetch=1)
    (held,) = worker.take()
    wait_ms(400)
    worker.consumer.cancel()
    held.requeue()
    assert inspector.oldest_s("fetch") < 0.4


def test_what_is_due_waits_since_then(bus, inspector):
    soon = datetime.now(UTC) + timedelta(milliseconds=400)
    publish(bus, "due", eta=soon.isoformat())
    assert inspector.oldest_s("fetch") is None
    until(lambda: (inspector.oldest_s("fetch") or 0) >= 0.05, within_s=5, what="it to be due for a while")
    assert inspector.depth("fetch").delayed == 1


@pytest.mark.parametrize("protocol", [2, 3])
def test_the_answers_do_not_depend_on_the_protocol(bus, protocol):
    publish(bus, "failed", "held")
    worker = bus.worker("fetch", delivery_limit=1)
    failed, held = worker.take(2)
    failed.requeue()
    publish(bus, "delayed", eta=NEVER)
    with bus.inspector(protocol=protocol) as inspector:
        worker.until(lambda: inspector.depth("fetch").dead, "a dead letter")
        assert inspector.depth("fetch") == Depth({0: 0, 3: 0, 6: 0, 9: 0}, 0, 1, 1, 1)
        assert inspector.find("fetch", ["held", "delayed", "failed"]).present == {"held", "delayed"}
        assert [letter.task_id for letter in inspector.dead_letters("fetch")] == ["failed"]
        assert isinstance(inspector.incarnation(), str)
    assert held


def test_looking_changes_nothing(bus, client, inspector):
    publish(bus, "one")
    before_looking = sorted(client.keys("*"))
    inspector.find("fetch", ["one", "two"])
    inspector.depth("fetch")
    inspector.oldest_s("fetch")
    inspector.dead_letters("fetch")
    inspector.incarnation()
    assert sorted(client.keys("*")) == before_looking
