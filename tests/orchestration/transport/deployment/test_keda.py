"""What KEDA's redis-streams scaler reads of our streams.

The lag of the group (`lagCount`) is what waits, once a worker has been there. The length (`streamLength`) is what waits
and what is in work, always.
"""

import pytest

from orchestration.transport import member as member_module
from orchestration.transport.keys import GROUP, QueueKeys
from tests.support.brokers import KINDS, Broker
from tests.support.parity_app import make_app
from tests.support.ports import free_port

STEPS = (0, 3, 6, 9)
KEYS = QueueKeys("parity", STEPS)


@pytest.fixture(scope="module", params=["valkey", pytest.param("redis7", marks=pytest.mark.full)])
def server(request, tmp_path_factory):
    with Broker(KINDS[request.param].binary(), tmp_path_factory.mktemp("broker"), port=free_port()) as server:
        yield server


@pytest.fixture
def queue(server, monkeypatch):
    """The queue of an app, to publish to and to take from in this process."""
    server.run("FLUSHALL")
    members = {}
    monkeypatch.setattr(member_module, "_members", members)
    monkeypatch.setattr(member_module, "Finalize", lambda *_args, **_options: None)
    app = make_app("streams", server.url, server.url)
    with app.connection_for_write() as connection, connection.channel() as channel:
        queue = TakenByHand(app, channel, server)
        yield queue
        for member in members.values():
            member.leave()
    app.close()


@pytest.fixture
def used(queue):
    """The queue once a worker has been there, and made the groups."""
    queue.take(1)
    return queue


class TakenByHand:
    """Publishes, takes and counts, and says what KEDA would read."""

    def __init__(self, app, channel, server):
        self._app = app
        self._queue = app.amqp.queues["parity"](channel)
        self._server = server
        self._queue.declare()

    def publish(self, count, priority=0, **options):
        for n in range(count):
            self._app.tasks["echo"].apply_async((n,), priority=priority, **options)

    def take(self, count):
        return [message for _ in range(count) if (message := self._queue.get()) is not None]

    def purge(self):
        return self._queue.purge()

    def lengths(self):
        """What KEDA reads: redelivery, then the lanes."""
        return [self._server.run("XLEN", stream) for stream in KEYS.streams]

    def lags(self):
        """What KEDA would read; None where the server does not know, or has no group yet."""
        return [facts and facts["lag"] for facts in self._groups()]

    def waiting(self):
        """Counted one by one."""
        read = [facts["last-delivered-id"] if facts else "0-0" for facts in self._groups()]
        with self._server.client() as client:
            return [len(client.xrange(stream, min=f"({last}")) for stream, last in zip(KEYS.streams, read, strict=True)]

    def _groups(self):
        with self._server.client() as client:
            return [group_of(client, stream) for stream in KEYS.streams]


def group_of(client, stream):
    groups = client.xinfo_groups(stream) if client.exists(stream) else []
    assert {group["name"] for group in groups} <= {GROUP}
    return groups[0] if groups else None


def expect(queue, *, waiting, in_work=(0, 0, 0, 0, 0)):
    assert queue.waiting() == queue.lags() == list(waiting)
    assert queue.lengths() == [sum(pair) for pair in zip(waiting, in_work, strict=True)]


def test_before_any_worker_came_the_length_counts_and_there_is_no_lag(queue):
    queue.publish(5)
    queue.publish(3, priority=9)
    assert queue.lengths() == queue.waiting() == [0, 5, 0, 0, 3]
    assert queue.lags() == [None] * 5


def test_from_the_first_reading_on_the_lag_counts_what_was_published_before(queue):
    queue.publish(3)
    queue.take(4)
    queue.publish(2)
    queue.publish(1, priority=3)
    expect(queue, waiting=(0, 2, 1, 0, 0), in_work=(0, 3, 0, 0, 0))


def test_what_is_acknowledged_in_order_counts_no_more(used):
    used.publish(5)
    for message in used.take(3):
        message.ack()
    expect(used, waiting=(0, 2, 0, 0, 0))
    for message in used.take(2):
        message.ack()
    expect(used, waiting=(0, 0, 0, 0, 0))
    used.publish(2)
    expect(used, waiting=(0, 2, 0, 0, 0))


def test_what_is_acknowledged_while_an_earlier_one_runs_leaves_both_exact(used):
    used.publish(5)
    long, second, third = used.take(3)
    third.ack()
    expect(used, waiting=(0, 2, 0, 0, 0), in_work=(0, 2, 0, 0, 0))
    second.ack()
    used.publish(1)
    used.take(1)[0].ack()
    expect(used, waiting=(0, 2, 0, 0, 0), in_work=(0, 1, 0, 0, 0))
    long.ack()
    expect(used, waiting=(0, 2, 0, 0, 0))


def test_what_is_to_be_delivered_again_counts(used):
    used.publish(4)
    first, second, third = used.take(3)
    second.requeue()
    expect(used, waiting=(1, 1, 0, 0, 0), in_work=(0, 2, 0, 0, 0))
    first.requeue()
    third.reject()
    expect(used, waiting=(2, 1, 0, 0, 0))
    used.take(1)[0].ack()
    expect(used, waiting=(1, 1, 0, 0, 0))


def test_what_was_purged_does_not_count(used):
    used.publish(4)
    used.publish(2, priority=6)
    taken, requeued = used.take(2)
    requeued.requeue()
    assert used.purge() == 5
    expect(used, waiting=(0, 0, 0, 0, 0), in_work=(0, 1, 0, 0, 0))
    used.publish(3)
    expect(used, waiting=(0, 3, 0, 0, 0), in_work=(0, 1, 0, 0, 0))
    taken.ack()
    expect(used, waiting=(0, 3, 0, 0, 0))


def test_what_is_not_due_does_not_count(used):
    used.publish(2, countdown=60)
    expect(used, waiting=(0, 0, 0, 0, 0))
