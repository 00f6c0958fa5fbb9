"""A process as a member of the fleet: joining, settling, leaving."""

import threading

import pytest
import redis.exceptions

from orchestration.transport import scripts
from orchestration.transport.keys import Tag
from orchestration.transport.options import Options
from tests.orchestration.transport.bus import contents
from tests.support.waiting import until

OPTIONS = Options(lease_s=1)
FETCH = OPTIONS.queue("fetch")


class Message:
    """Something that can be held."""


@pytest.fixture
def member(bus):
    return bus.member(OPTIONS)


def deliver(bus, client, member, count=1):
    """Make the server think that this member holds messages; returns their tags."""
    bus.publish("fetch", *range(count))
    client.xgroup_create(FETCH.lanes[0], "workers", "0", mkstream=True)
    ((_, entries),) = client.xreadgroup("workers", member.name, {FETCH.lanes[0]: ">"})
    return [str(Tag(entry_id, 1, "fetch")) for entry_id, _ in entries]


def hold(member, tags):
    messages = [Message() for _ in tags]
    for tag, message in zip(tags, messages, strict=True):
        member.ledger.hold(tag, message)
    return messages


# joining


def test_who_joined_is_alive_and_its_queues_are_known(client, member):
    assert not member.may_read
    member.join(FETCH)
    assert member.may_read
    assert 0 < client.pttl(f"streams:alive:{member.name}") <= 1000
    assert client.smembers("streams:queues") == {"fetch"}


def test_queues_that_are_joined_later_are_known_with_the_next_beat(client, member):
    member.join(FETCH)
    member.join(OPTIONS.queue("read"))
    until(lambda: client.smembers("streams:queues") == {"fetch", "read"}, within_s=5, what="both queues")


def test_a_lease_is_kept(client, member):
    member.join(FETCH)
    key = f"streams:alive:{member.name}"
    before_ms = client.pttl(key)
    until(lambda: client.pttl(key) < before_ms - 100, within_s=5, what="the lease to run down")
    until(lambda: client.pttl(key) >= 900, within_s=5, what="the lease to be renewed")


def test_joining_needs_the_server(bus, proxy):
    member = bus.member(OPTIONS, proxy.url)
    proxy.shut()
    with pytest.raises(redis.exceptions.ConnectionError):
        member.join(FETCH)
    assert not member.may_read
    proxy.open()
    member.join(FETCH)
    assert member.may_read


def test_who_cannot_renew_its_lease_must_not_read(bus, proxy):
    member = bus.member(OPTIONS, proxy.url)
    member.join(FETCH)
    proxy.shut()
    until(lambda: not member.may_read, within_s=5, what="the lease to end")
    proxy.open()
    until(lambda: member.may_read, within_s=5, what="the lease to be taken again")


def test_a_heartbeat_that_was_lost_comes_back(client, member):
    member.join(FETCH)
    client.flushdb()
    until(lambda: client.exists(f"streams:alive:{member.name}"), within_s=5, what="the next beat")
    assert client.smembers("streams:queues") == {"fetch"}


def test_a_server_that_became_a_replica_is_left(client, member):
    """Its address may lead to another by now."""
    member.join(FETCH)
    before = {connected["id"] for connected in client.client_list()} - {str(client.client_id())}
    assert len(before) == 1
    client.replicaof("127.0.0.1", "1")
    try:
        until(
            lambda: not before & {connected["id"] for connected in client.client_list()},
            within_s=3,
            what="the connection to be given up",
        )
    finally:
        client.replicaof("NO", "ONE")


# settling


def test_what_no_reader_takes_along_is_sent_at_once(bus, client, member):
    (tag,) = deliver(bus, client, member)
    member.ledger.ack(tag)
    member.settle()
    assert contents(client, "fetch") == {}


def test_acknowledgements_wait_for_the_reader(bus, client, member):
    (tag,) = deliver(bus, client, member)
    member.reading(by=1)
    member.ledger.ack(tag)
    member.settle()
    assert contents(client, "fetch") == {"lane:0": (1, 1)}
    assert member.ledger.take_acks() == [tag]


def test_acknowledgements_do_not_wait_for_a_reader_that_is_stuck(bus, client, member):
    """A busy event loop: the beat takes them along."""
    (tag,) = deliver(bus, client, member)
    member.join(FETCH)
    member.reading(by=1)
    member.ledger.ack(tag)
    until(lambda: contents(client, "fetch") == {}, within_s=5, what="the next beat")


def test_what_is_given_back_keeps_its_order(bus, client, member):
    tags = deliver(bus, client, member, 3)
    member.ledger.put_back_dropped(tags)
    member.settle()
    ids = [entry["b"] for _, entry in client.xrange(FETCH.redelivery)]
    assert ids == ["0", "1", "2"]


@pytest.mark.parametrize(("give_back", "count"), [("put_back_dropped", "0"), ("put_back_failed", "1")])
def test_only_what_failed_counts(bus, client, member, give_back, count):
    getattr(member.ledger, give_back)(deliver(bus, client, member))
    member.settle()
    ((_, entry),) = client.xrange(FETCH.redelivery)
    assert entry["n"] == count


def test_what_others_took_meanwhile_is_not_given_back(bus, client, member):
    (tag,) = deliver(bus, client, member)
    client.xclaim(FETCH.lanes[0], "workers", "another", 0, [Tag.parse(tag).entry_id])
    member.ledger.put_back_dropped([tag])
    member.settle()
    assert contents(client, "fetch") == {"lane:0": (1, 1)}


def test_what_could_not_be_sent_is_sent_later(bus, client, proxy):
    member = bus.member(OPTIONS, proxy.url)
    acked, dropped, failed = deliver(bus, client, member, 3)
    member.join(FETCH)
    proxy.shut()
    member.ledger.ack(acked)
    member.ledger.put_back_dropped([dropped])
    member.ledger.put_back_failed([failed])
    member.settle()
    assert contents(client, "fetch") == {"lane:0": (3, 3)}
    proxy.open()
    until(lambda: contents(client, "fetch") == {"redelivery": (2, 0)}, within_s=5, what="all to be settled")


def test_what_could_not_be_given_back_takes_nothing_along(bus, client, proxy):
    member = bus.member(OPTIONS, proxy.url)
    dropped, failed, alien = deliver(bus, client, member, 3)
    proxy.shut()
    member.ledger.put_back_dropped([dropped])
    member.ledger.put_back_failed([failed])
    member.ledger.set_aside(alien)
    member.settle()
    assert all(tag in member.ledger for tag in (dropped, failed, alien))


@pytest.mark.parametrize("script", [scripts.TURN, scripts.HAND_BACK])
def test_a_lost_reply_settles_nothing_twice(bus, client, proxy, script):
    member = bus.member(OPTIONS, proxy.url)
    acked, failed = deliver(bus, client, member, 2)
    member.join(FETCH)
    proxy.lose_replies(to=script.sha.encode())
    member.ledger.ack(acked)
    member.ledger.put_back_failed([failed])
    member.settle()
    until(lambda: contents(client, "fetch") == {"redelivery": (1, 0)}, within_s=5, what="all to be settled")
    until(lambda: acked not in member.ledger and failed not in member.ledger, within_s=5, what="an empty ledger")
    assert contents(client, "fetch") == {"redelivery": (1, 0)}


# coming back


def test_what_the_ledger_does_not_know_is_given_back(bus, client, member):
    held, acked, lost = deliver(bus, client, member, 3)
    message = hold(member, [held])
    member.join(FETCH)
    member.reading(by=1)
    member.ledger.ack(acked)
    member.reading(by=-1)
    member.reconcile()
    ((_, entry),) = client.xrange(FETCH.redelivery)
    assert (entry["b"], entry["n"]) == ("2", "0")
    assert message
    assert lost


def test_nothing_is_given_back_while_a_reader_may_have_it_on_its_way(bus, client, member):
    deliver(bus, client, member)
    member.join(FETCH)
    member.reading(by=1)
    member.reconcile()
    assert contents(client, "fetch") == {"lane:0": (1, 1)}


def test_an_acknowledgement_that_is_on_its_way_is_not_given_back(bus, client, proxy):
    """After an outage the beat and the reader come back at the same time, the one settles, the other reconciles."""
    member = bus.member(OPTIONS, proxy.url)
    (tag,) = deliver(bus, client, member)
    message = hold(member, [tag])
    member.join(FETCH)
    arrived, go_on = threading.Event(), threading.Event()

    def hold_up(request):
        if scripts.TURN.sha.encode() in request:
            arrived.set()
            go_on.wait(5)

    proxy.on_request = hold_up
    member.reading(by=1)  # which leaves the acknowledgement to the beat
    member.ledger.ack(tag)
    assert arrived.wait(5)
    late = threading.Timer(0.3, go_on.set)
    late.start()
    member.reading(by=-1)
    member.reconcile()
    late.join()
    until(lambda: "lane:0" not in contents(client, "fetch"), within_s=5, what="the acknowledgement")
    assert contents(client, "fetch") == {}
    assert message


# leaving


def test_who_leaves_gives_back_what_it_held_and_is_dead_at_once(bus, client, member):
    held, acked, failed, lost = deliver(bus, client, member, 4)
    message = hold(member, [held])
    member.join(FETCH)
    member.reading(by=1)
    member.ledger.ack(acked)
    member.ledger.put_back_failed([failed])
    member.leave()
    assert {entry["b"]: entry["n"] for _, entry in client.xrange(FETCH.redelivery)} == {"0": "0", "2": "1", "3": "0"}
    assert contents(client, "fetch") == {"redelivery": (3, 0)}
    assert not client.exists(f"streams:alive:{member.name}")
    assert message
    assert lost


def test_who_left_does_not_come_alive_again(client, member):
    member.join(FETCH)
    member.leave()
    assert threading.active_count() < 20
    assert not client.keys("streams:alive:*")
    assert not [thread for thread in threading.enumerate() if thread.name == "streams-lease"]
