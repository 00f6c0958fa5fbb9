"""Taking back what dead consumers held."""

import time

import pytest

from orchestration.transport.options import Options
from tests.orchestration.transport.bus import contents
from tests.support.waiting import until

LEASE_S = 1.0
OPTIONS = Options(lease_s=LEASE_S)
LANE = "{fetch}:lane:0"
REDELIVERY = "{fetch}:redelivery"
WITHIN_S = 10


@pytest.fixture
def scanner(bus):
    """A member that may look for the dead once it held its lease for long enough."""
    member = bus.member(OPTIONS)
    member.join(OPTIONS.queue("elsewhere"))
    return member


def die_with(bus, client, count=1, name="dead", queue="fetch"):
    """A consumer without a heartbeat that holds messages."""
    bus.publish(queue, *({"n": n} for n in range(count)), headers={"id": "one", "task": "t"})
    take_as(client, name, f"{{{queue}}}:lane:0")
    client.sadd("streams:queues", queue)


def take_as(client, name, stream):
    if not client.exists(stream) or not client.xinfo_groups(stream):
        client.xgroup_create(stream, "workers", "0", mkstream=True)
    client.xreadgroup("workers", name, {stream: ">"})


def until_contents(client, expected, queue="fetch", within_s=WITHIN_S):
    until(lambda: contents(client, queue) == expected, within_s=within_s, what=f"{queue} to hold {expected}")


def consumers(client, stream=LANE):
    return {consumer["name"] for consumer in client.xinfo_consumers(stream, "workers")}


def test_what_the_dead_held_is_delivered_again_and_counts(bus, client, scanner):
    die_with(bus, client, 3)
    until_contents(client, {"redelivery": (3, 0)})
    assert [entry["n"] for _, entry in client.xrange(REDELIVERY)] == ["1"] * 3
    assert [entry["b"] for _, entry in client.xrange(REDELIVERY)] == ['{"n": 0}', '{"n": 1}', '{"n": 2}']
    assert consumers(client) == set()


def test_nothing_is_taken_before_a_whole_lease_was_held(bus, client):
    die_with(bus, client)
    begun = time.monotonic()
    bus.member(OPTIONS).join(OPTIONS.queue("fetch"))
    until_contents(client, {"redelivery": (1, 0)})
    assert time.monotonic() - begun >= LEASE_S


def test_a_consumer_whose_heart_stopped_loses_its_messages_to_another(bus, client):
    bus.publish("fetch", 1)
    dying = bus.worker("fetch", lease_s=LEASE_S)
    (message,) = dying.take()
    bus.another_process()
    living = bus.worker("fetch", lease_s=LEASE_S)
    dying.channel.member._lease.stop()
    (again,) = living.take()
    assert again.headers["x-delivery-count"] == 1
    assert again.payload == message.payload == 1
    again.ack()
    living.until(lambda: contents(client, "fetch") == {}, "it to be settled")
    message.ack()  # too late, and of an entry that is no more
    assert contents(client, "fetch") == {}


def test_the_living_keep_what_they_hold_for_as_long_as_it_takes(bus, client, scanner):
    bus.publish("fetch", 1)
    living = bus.worker("fetch", lease_s=LEASE_S)
    held = living.take()
    bus.publish("fetch", 2)
    take_as(client, "dead", LANE)
    until_contents(client, {"lane:0": (1, 1), "redelivery": (1, 0)})
    assert consumers(client) == {living.channel.member.name}
    assert held


def test_failures_add_up_whatever_their_kind(bus, client, scanner):
    bus.publish("fetch", 1)
    worker = bus.worker("fetch", prefetch=1)
    worker.take()[0].requeue()
    worker.until(lambda: worker.messages, "the second delivery")
    worker.consumer.qos(prefetch_count=1)
    worker.messages.pop().requeue()
    worker.consumer.cancel()
    until_contents(client, {"redelivery": (1, 0)})
    take_as(client, "dead", REDELIVERY)
    until(lambda: "n" in entry_of(client, REDELIVERY, pending=0), within_s=WITHIN_S, what="its recovery")
    assert entry_of(client, REDELIVERY)["n"] == "3"


def entry_of(client, stream, pending=None):
    if pending is not None and contents(client, "fetch") != {"redelivery": (1, pending)}:
        return {}
    ((_, entry),) = client.xrange(stream)
    return entry


def test_who_kills_too_many_workers_becomes_a_dead_letter(bus, client):
    options = Options(lease_s=LEASE_S, delivery_limit=2)
    die_with(bus, client)
    bus.member(options).join(options.queue("fetch"))
    until_contents(client, {"redelivery": (1, 0)})
    take_as(client, "dead too", REDELIVERY)
    until_contents(client, {"dead": (1, 0)})
    ((_, letter),) = client.xrange("{fetch}:dead")
    assert {name: letter[name] for name in ("reason", "consumer", "n", "t", "b")} == {
        "reason": "worker_lost",
        "consumer": "dead too",
        "n": "2",
        "t": "one",
        "b": '{"n": 0}',
    }


def test_one_of_many_scans_and_another_takes_over(bus, client):
    first, second = bus.member(OPTIONS), bus.member(OPTIONS)
    first.join(OPTIONS.queue("fetch"))
    second.join(OPTIONS.queue("fetch"))
    name = until(lambda: client.get("streams:scanner"), within_s=WITHIN_S, what="a scanner")
    scanner, other = (first, second) if name == first.name else (second, first)
    scanner._lease.stop()
    until(lambda: client.get("streams:scanner") == other.name, within_s=WITHIN_S, what="the other to take over")
    die_with(bus, client)
    until_contents(client, {"redelivery": (1, 0)})


def test_who_lost_its_own_lease_recovers_nothing_until_settled_again(bus, client, scanner):
    """Its heartbeat ran out, so those of the others may have, and they be as alive as it is."""
    until(lambda: client.get("streams:scanner") == scanner.name, within_s=WITHIN_S, what="the scanner")
    die_with_heartbeat(bus, client)
    with client.pipeline(transaction=True) as both:
        both.delete(f"streams:alive:{scanner.name}", "streams:alive:late")
        both.execute()
    until(lambda: client.exists(f"streams:alive:{scanner.name}"), within_s=WITHIN_S, what="its next beat")
    back_at = time.monotonic()
    until_contents(client, {"redelivery": (1, 0)})
    assert time.monotonic() - back_at >= LEASE_S * 0.9


def die_with_heartbeat(bus, client):
    client.set("streams:alive:late", 1)
    die_with(bus, client, name="late")


def test_more_than_one_call_may_move_is_moved_by_several(bus, client, scanner):
    die_with(bus, client, 2200)
    until_contents(client, {"redelivery": (2200, 0)})
    until(lambda: consumers(client) == set(), within_s=WITHIN_S, what="the dead to be forgotten")


def test_queues_that_nobody_here_consumes_are_looked_after_too(bus, client, scanner):
    for queue in ("one", "two"):
        die_with(bus, client, queue=queue)
    for queue in ("one", "two"):
        until_contents(client, {"redelivery": (1, 0)}, queue)


def test_recovery_works_on_a_full_server(bus, client, scanner):
    die_with(bus, client)
    client.config_set("maxmemory", 1)
    until_contents(client, {"redelivery": (1, 0)})


def test_an_entry_that_was_deleted_under_a_dead_consumer_is_only_forgotten(bus, client, scanner):
    die_with(bus, client, 2)
    ((first, _), _) = client.xrange(LANE)
    client.xdel(LANE, first)
    until_contents(client, {"redelivery": (1, 0)})
