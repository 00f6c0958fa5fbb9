"""What the transport takes for granted of Celery, of kombu's way with URLs, and of redis-py. See test_kombu_internals.

Nothing here runs our transport.
"""

import inspect
import os
import re
import socket
import ssl
from types import SimpleNamespace
from unittest.mock import MagicMock

import kombu.pidbox
import kombu.transport.redis as stock
import pytest
import redis.connection
import redis.sentinel
from celery import Celery
from celery.worker.consumer.tasks import Tasks
from kombu import Connection
from kombu.transport import TRANSPORT_ALIASES, virtual

# URLs: why broker_settings() exists


def test_the_aliases_of_redis_are_stock():
    assert [TRANSPORT_ALIASES[name] for name in ("redis", "rediss", "sentinel")] == [
        "kombu.transport.redis:Transport",
        "kombu.transport.redis:Transport",
        "kombu.transport.redis:SentinelTransport",
    ]


class NamedTransport(stock.Transport):
    """One that is named explicitly and leaves reading the URL to kombu."""


def connection(url):
    return Connection(url, transport=NamedTransport)


def test_kombu_picks_the_stock_transport_for_a_socket_whatever_was_named():
    assert connection("redis+socket:///run/redis.sock").get_transport_cls() is stock.Transport


def test_kombu_speaks_plainly_to_rediss_without_options_when_a_transport_is_named():
    assert connection("rediss://host/0").ssl is False
    assert Connection("rediss://host/0").ssl == {"ssl_cert_reqs": ssl.CERT_NONE}


def test_kombu_goes_over_to_the_scheme_s_transport_with_the_second_host():
    several = connection("sentinel://a:1;sentinel://b:2/0")
    assert (several.get_transport_cls(), several.hostname) == (NamedTransport, "a")
    assert several.alt == ["sentinel://a:1", "sentinel://b:2/0"]
    several.maybe_switch_next()
    assert (several.get_transport_cls(), several.hostname) == (stock.SentinelTransport, "b")


def test_kombu_cannot_read_several_hosts_with_commas():
    with pytest.raises(ValueError, match="Port"):
        connection("sentinel://a:1,b:2/0")


def test_kombu_leaves_a_url_alone_when_the_transport_can_parse_it(monkeypatch):
    monkeypatch.setattr(NamedTransport, "can_parse_url", True)
    assert connection("rediss://:pw@host:1/2?x=y").hostname == "rediss://:pw@host:1/2?x=y"


# Celery


@pytest.mark.parametrize(("driver_type", "patched"), [("redis", True), ("other", False)])
def test_celery_patches_the_credit_of_drivers_named_redis_only(driver_type, patched):
    consumer = MagicMock()
    consumer.connection.transport.driver_type = driver_type
    consumer.connection.qos_semantics_matches_spec = True
    consumer.app.conf = SimpleNamespace(
        worker_disable_prefetch=True, worker_eta_task_limit=None, worker_detect_quorum_queues=False
    )
    qos = consumer.app.amqp.TaskConsumer.return_value.channel.qos = virtual.QoS(MagicMock())
    Tasks(consumer).start(consumer)
    qos._on_collect.cancel()
    assert ("can_consume" in vars(qos)) is patched


def test_a_task_message_names_its_task_and_its_time():
    app = Celery(set_as_current=False)
    message = app.amqp.as_task_v2("some-id", "some.task", countdown=60, retries=2)
    assert {"id": "some-id", "task": "some.task", "retries": 2}.items() <= message.headers.items()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00", message.headers["eta"])
    app.close()


def test_replies_and_events_go_to_queues_that_vanish():
    mailbox = kombu.pidbox.Mailbox("box", type="fanout", reply_queue_expires=10.0)(MagicMock())
    assert mailbox.reply_queue.auto_delete or mailbox.reply_queue.expires
    app = Celery(set_as_current=False)
    with Connection("memory://") as memory:
        receiver = app.events.Receiver(memory)
        assert receiver.queue.auto_delete
    app.close()


def test_a_reply_carries_the_ticket_of_its_question():
    node = kombu.pidbox.Mailbox("box").Node("host", channel=MagicMock())
    assert "ticket" in inspect.signature(node.mailbox._publish_reply).parameters


# redis-py


def test_a_connection_is_driven_by_hand_as_the_transport_does():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pool = redis.ConnectionPool(port=listener.getsockname()[1], protocol=2, driver_info=None)
        listener.settimeout(5)
        drive(pool, listener)
        pool.disconnect()


def drive(pool, listener):
    connection = pool.make_connection()
    assert connection._sock is None
    connection.on_connect = lambda: None
    connection.connect()
    peer, _ = listener.accept()
    with peer:
        connection.send_packed_command(connection.pack_command("PING", 1), check_health=False)
        assert peer.recv(100) == b"*2\r\n$4\r\nPING\r\n$1\r\n1\r\n"
        peer.sendall(b"+PONG\r\n")
        assert connection.read_response() == b"PONG"
        connection.disconnect()
    assert connection._sock is None


def test_sentinels_and_the_name_of_their_master_are_kept():
    manager = redis.sentinel.Sentinel([("a", 1), ("b", 2)], min_other_sentinels=1)
    assert [node.connection_pool.connection_kwargs["host"] for node in manager.sentinels] == ["a", "b"]
    pool = manager.master_for("m").connection_pool
    assert (pool.service_name, pool.sentinel_manager) == ("m", manager)


@pytest.mark.parametrize(
    ("kind", "closes"),
    [
        (redis.connection.Connection, True),
        (redis.connection.UnixDomainSocketConnection, True),
        (redis.sentinel.SentinelManagedConnection, False),
    ],
)
def test_a_sentinel_s_connection_is_not_closed_by_an_error_unless_told(kind, closes):
    assert inspect.signature(kind.read_response).parameters["disconnect_on_error"].default is closes


def test_a_finalizer_with_a_priority_runs_at_the_end_of_a_child_too():
    from multiprocessing import util

    assert "exitpriority" in inspect.signature(util.Finalize.__init__).parameters
    assert util.Finalize(None, os.getpid, exitpriority=10)() == os.getpid()
