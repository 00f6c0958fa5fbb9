"""What the transport takes for granted of kombu, Celery and redis-py: fails loudly when an upgrade changes it.

Nothing here runs our transport; see its own tests for that.
"""

import inspect
import socket
from collections import OrderedDict
from contextlib import contextmanager
from importlib.metadata import version
from queue import Empty
from types import SimpleNamespace
from unittest.mock import MagicMock

import kombu.transport.redis as stock
import pytest
import redis.connection
import redis.sentinel
from kombu.transport import virtual
from kombu.utils.eventio import poll

from orchestration.transport.channel import Channel
from orchestration.transport.poller import Poller
from orchestration.transport.qos import QoS
from orchestration.transport.transport import Transport

OURS = (Channel, QoS, Poller, Transport)
CALLED = {
    stock.Channel: {
        "_get_message_priority": "self message reverse",
        "_get_queue_expire": "self args",
        "_inplace_augment_message": "self message exchange routing_key",
        "_update_queue_cycle": "self",
        "basic_cancel": "self consumer_tag",
        "conn_or_acquire": "self client",
        "queue_declare": "self queue passive kwargs",
        "queue_delete": "self queue if_unused if_empty kwargs",
        "queue_purge": "self queue kwargs",
        "_brpop_start": "self timeout",
    },
    stock.MultiChannelPoller: {
        "_register": "self channel client type",
        "_unregister": "self channel client type",
        "handle_event": "self fileno event",
        "get": "self callback timeout",
    },
    stock.Transport: {
        "_deliver": "self message queue",
        "on_readable": "self fileno",
        "drain_events": "self connection timeout",
    },
    redis.connection.Connection: {
        "pack_command": "self args",
        "connect": "self",
    },
}


# versions


def test_kombu_and_celery_are_those_whose_insides_were_read():
    assert [version(name).split(".")[:2] for name in ("kombu", "celery")] == [["5", "7"], ["5", "7"]]


# shapes


def overrides():
    """Our methods, each with the one it stands in for; of the nearest base that names all it takes."""
    for ours in OURS:
        for name, own in vars(ours).items():
            overridden = [vars(base)[name] for base in ours.__mro__[1:] if inspect.isfunction(vars(base).get(name))]
            named = [method for method in overridden if not inspect.getfullargspec(method).varargs]
            if inspect.isfunction(own) and named:
                yield pytest.param(own, named[0], id=f"{ours.__name__}.{name}")


@pytest.mark.parametrize(("own", "overridden"), list(overrides()))
def test_an_override_can_be_called_as_what_it_overrides(own, overridden):
    inspect.signature(own).bind(*inspect.getfullargspec(overridden).args)


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        pytest.param(owner, name, parameters, id=f"{owner.__module__}.{name}")
        for owner, methods in CALLED.items()
        for name, parameters in methods.items()
    ],
)
def test_what_is_called_takes_what_it_took(owner, name, parameters):
    assert " ".join(inspect.signature(getattr(owner, name)).parameters) == parameters


def test_the_state_that_is_read_and_written_exists():
    assert {"_channels", "_fd_to_chan", "_chan_to_sock", "poller", "after_read"} <= set(
        vars(stock.MultiChannelPoller())
    )
    qos = virtual.QoS(MagicMock())
    qos._on_collect.cancel()
    assert isinstance(qos._delivered, OrderedDict)
    assert qos._dirty == set()
    assert stock.Channel.body_encoding == "base64"
    assert stock.Channel._in_poll is stock.Channel._in_listen is False
    assert stock.PRIORITY_STEPS == [0, 3, 6, 9]
    assert not stock.Transport.can_parse_url
    assert stock.Transport.driver_type == "redis"


# the poller


class FakeClient:
    """A client whose connection is one end of a pair of sockets, once it has connected."""

    def __init__(self):
        self.connection = SimpleNamespace(_sock=None, connect=self._connect)

    def _connect(self):
        self.connection._sock, self.peer = socket.socketpair()

    def close(self):
        self.connection._sock.close()
        self.peer.close()


@contextmanager
def registered(channel, kind="X"):
    poller, client = stock.MultiChannelPoller(), FakeClient()
    poller.poller = poll()
    poller._register(channel, client, kind)
    try:
        yield poller, client
    finally:
        poller.poller.unregister(client.connection._sock)
        poller.poller.close()
        client.close()


class PolledChannel:
    """As much of a channel as the poller sees."""

    _in_poll = False
    active_queues = ()
    active_fanout_queues = ()

    def __init__(self, *, handlers=None, can_consume=True):
        self.handlers = handlers or {}
        self.qos = SimpleNamespace(can_consume=lambda: can_consume)

    def _brpop_start(self):
        pytest.fail("BRPOP")


def test_registering_connects_and_maps_both_ways():
    channel = PolledChannel()
    with registered(channel) as (poller, client):
        sock = client.connection._sock
        assert poller._fd_to_chan == {sock.fileno(): (channel, "X")}
        assert poller._chan_to_sock == {(channel, client, "X"): sock}
        client.peer.send(b"x")
        assert [fd for fd, _ in poller.poller.poll(1)] == [sock.fileno()]


def test_what_is_readable_goes_to_the_channel_s_handler_of_that_kind():
    called = []
    channel = PolledChannel(handlers={"X": lambda: called.append("X")})
    with registered(channel) as (poller, client):
        poller.on_readable(client.connection._sock.fileno())
        poller.on_readable(999_999)  # not ours: nothing
    assert called == ["X"]


def test_without_credit_the_stock_poller_calls_no_handler():
    channel = PolledChannel(handlers={"X": lambda: pytest.fail("called")}, can_consume=False)
    with registered(channel) as (poller, client):
        poller.on_readable(client.connection._sock.fileno())


def test_a_channel_without_active_queues_is_not_polled_for_lists():
    poller = stock.MultiChannelPoller()
    poller.add(PolledChannel())
    poller.on_poll_start()
    assert poller.fds == {}


def test_registering_with_the_event_loop_adds_a_reader_for_each_connection_before_each_poll():
    transport, loop = stock.Transport(MagicMock(transport_options={})), MagicMock(on_tick=set())
    transport.register_with_event_loop(transport, loop)
    (on_tick,) = loop.on_tick
    channel = PolledChannel()
    with registered(channel) as (poller, client):
        transport.cycle._fd_to_chan.update(poller._fd_to_chan)
        fd = client.connection._sock.fileno()
        on_tick()
        on_tick()
        assert [call.args for call in loop.add_reader.call_args_list] == [(fd, transport.on_readable, fd)] * 2
    repeated = {call.args[1].__name__ for call in loop.call_repeatedly.call_args_list}
    assert {"maybe_restore_messages", "maybe_check_subclient_health", "maybe_check_brpop_health"} <= repeated


def test_the_event_loop_knows_its_readers():
    from kombu.asynchronous.hub import Hub

    hub = Hub()
    try:
        assert hub.readers == {}
    finally:
        hub.close()


# channels


class FakeChannel(virtual.Channel):
    """Says which hook was called."""

    def __init__(self, calls):
        self.calls = calls
        super().__init__(virtual.Transport(MagicMock(transport_options={})))

    def _put(self, queue, message, **kwargs):
        self.calls.append(("put", queue, message["properties"]["priority"]))

    def _get(self, queue):
        self.calls.append(("get", queue))
        raise Empty

    def _has_queue(self, queue, **kwargs):
        self.calls.append(("has", queue))
        return True

    def _new_queue(self, queue, **kwargs):
        self.calls.append(("new", queue, kwargs.get("auto_delete", False)))

    def _size(self, queue):
        return 7

    def _purge(self, queue):
        return 5

    def _delete(self, queue, *args, **kwargs):
        self.calls.append(("delete", queue))


@pytest.fixture
def calls():
    return []


@pytest.fixture
def channel(calls):
    return FakeChannel(calls)


def test_a_publication_ends_in_put_with_a_tag_and_a_route(channel, calls):
    message = channel.prepare_message("body", priority=4)
    channel.basic_publish(message, exchange="", routing_key="q")
    assert calls == [("put", "q", 4)]
    assert message["properties"]["delivery_info"] == {"exchange": "", "routing_key": "q"}
    assert message["properties"]["delivery_tag"]
    assert set(message) == {"body", "content-encoding", "content-type", "headers", "properties"}


def test_declaring_asks_creates_and_counts(channel, calls):
    assert channel.queue_declare("q", passive=True, auto_delete=True).message_count == 7
    assert calls == [("has", "q"), ("new", "q", True)]


def test_purging_getting_and_deleting_reach_their_hooks(channel, calls):
    channel.exchange_declare("e")
    channel.queue_bind("q", "e", "q")
    assert channel.queue_purge("q") == 5
    assert channel.basic_get("q") is None
    channel.queue_delete("q")
    assert calls == [("get", "q"), ("delete", "q")]


def test_a_consumer_is_called_back_through_the_transport(channel):
    got = []
    channel.basic_consume("q", no_ack=False, callback=got.append, consumer_tag="c")
    assert channel._active_queues == ["q"]
    assert channel._tag_to_queue == {"c": "q"}
    message = channel.prepare_message("body")
    channel._inplace_augment_message(message, "", "q")
    channel.connection._deliver(message, "q")
    assert [found.payload for found in got] == ["body"]
    assert list(channel.qos._delivered) == [got[0].delivery_tag]
    channel.basic_ack(got[0].delivery_tag)
    assert channel.qos._dirty == {got[0].delivery_tag}
    channel.basic_cancel("c")
    assert channel.connection._callbacks == {}
    channel.close()


def test_closing_a_channel_would_restore_what_is_unacknowledged(channel):
    restore = MagicMock()
    channel.qos.restore_unacked_once = restore
    channel.close()
    restore.assert_called_once_with()


@pytest.mark.parametrize(("given", "priority"), [(None, 0), (4, 4), (-1, 0), (12, 9), ("3", 3)])
def test_a_priority_is_between_0_and_9(channel, given, priority):
    assert channel._get_message_priority({"properties": {"priority": given}}) == priority


def test_a_cancellation_waits_for_the_end_of_a_read():
    cycle = SimpleNamespace(_in_protected_read=True, after_read=set())
    channel = SimpleNamespace(connection=SimpleNamespace(cycle=cycle), _basic_cancel=MagicMock())
    stock.Channel.basic_cancel(channel, "tag")
    channel._basic_cancel.assert_not_called()
    cycle.after_read.pop()()
    channel._basic_cancel.assert_called_once_with("tag")


def test_active_queues_are_without_those_of_publish_subscribe():
    channel = SimpleNamespace(_active_queues=["a", "events", "a"], active_fanout_queues={"events"})
    assert stock.Channel.active_queues.fget(channel) == ["a"]
