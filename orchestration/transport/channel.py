"""A channel: task queues over streams; replies, control and events over what the stock transport has.

Which queues are which: one that is declared to vanish (auto-delete, or with an expiry) is for replies, and so is what
an undeclared one gets that answers something. Every other queue is a set of streams.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import uuid
from functools import cached_property
from queue import Empty
from typing import Any

import redis.exceptions

from orchestration.transport import scripts
from orchestration.transport.connections import make_pool, tls_of
from orchestration.transport.depth import Depth, depth_of
from orchestration.transport.envelope import Payload, unseal
from orchestration.transport.errors import BrokerFull, NotAMessage
from orchestration.transport.keys import GROUP, FleetKeys, Tag
from orchestration.transport.line import Line, Pool
from orchestration.transport.member import Member, member_of
from orchestration.transport.options import Options
from orchestration.transport.poller import TURN, WAIT
from orchestration.transport.publisher import Publisher
from orchestration.transport.qos import QoS
from orchestration.transport.reader import MOST_AT_ONCE, Reader
from orchestration.transport.stock import stock
from orchestration.transport.urls import Target, read_url


class Channel(stock.Channel):  # type: ignore[misc]
    """One channel of a connection."""

    QoS = QoS
    # Bodies are a field of their own, so nothing needs to be encoded.
    body_encoding = None
    supports_batch_publish = False
    keyprefix_fanout: str

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        # Kept: kombu takes the connection away when it closes a channel, also one that a publisher still holds.
        self._transport_options = connection.client.transport_options
        self._target = _target_of(connection.client)
        self.options = Options.read(self._transport_options)
        self.reader: Reader | None = None
        self._replies: set[str] = set()
        self._streams: set[str] = set()
        self._unacknowledged: set[str] = set()
        self._lists: list[str] = []
        self._tag_prefix, self._tag_numbers = uuid.uuid4().hex, itertools.count()
        self._line = Line(lambda: self.pool)
        self._publisher = Publisher(lambda: self.pool, self.options.publish_patience_s)
        super().__init__(connection, **kwargs)
        self.handlers |= {TURN: self._on_turn, WAIT: self._on_wait}

    # connecting

    def _get_pool(self, asynchronous: bool = False) -> Pool:
        target = self._target
        self.keyprefix_fanout = self.keyprefix_fanout.format(db=target.parameters.get("db", 0))
        watch = self._on_connection_disconnect if asynchronous else None
        return make_pool(target, self._transport_options, on_disconnect=watch)

    def _on_connection_disconnect(self, connection: Any) -> None:
        if not self._registered:
            return
        if self.reader is not None:
            self.reader.lost(connection)
        super()._on_connection_disconnect(connection)

    @cached_property
    def member(self) -> Member:
        """This process as a consumer."""
        target, options = self._target, self.options
        # A lease is lost while one waits for a dead server longer than it lasts.
        pool = make_pool(target, self._transport_options, timeout_s=min(2.0, options.lease_s / 3))
        return member_of(f"{_fingerprint(target)} {options}", pool, options)

    # publishing

    def _next_delivery_tag(self) -> str:
        # kombu's UUID asks the kernel for randomness, which lets other threads in on every publish.
        return f"{self._tag_prefix}.{os.getpid()}.{next(self._tag_numbers)}"

    def _is_stream(self, queue: str, payload: Payload | None = None) -> bool:
        if queue in self._replies:
            return False
        if queue in self._streams or payload is None:
            return True
        headers = payload["headers"]
        answers = "ticket" in headers or payload["properties"].get("correlation_id")
        return "task" in headers or not answers

    def _put(self, queue: str, message: Payload, **kwargs: Any) -> None:
        if self._is_stream(queue, message):
            self._publisher.publish(self.options.queue(queue), message, self._get_message_priority(message))
        else:
            super()._put(queue, message, **kwargs)

    # declaring

    def _new_queue(self, queue: str, auto_delete: bool = False, **kwargs: Any) -> None:
        vanishes = auto_delete or self._get_queue_expire(kwargs) is not None
        (self._replies if vanishes else self._streams).add(queue)
        super()._new_queue(queue, auto_delete=auto_delete, **kwargs)

    def _queue_bind(self, *binding: Any) -> None:
        try:
            super()._queue_bind(*binding)
        except redis.exceptions.OutOfMemoryError as error:
            raise BrokerFull(str(error)) from error

    def _has_queue(self, queue: str, **kwargs: Any) -> bool:
        if not self._is_stream(queue):
            return bool(super()._has_queue(queue, **kwargs))
        keys = self.options.queue(queue)
        known = self._line.ask("SISMEMBER", FleetKeys(self.options.prefix).queues, queue)
        return bool(known or self._line.ask("EXISTS", *keys.all))

    def _size(self, queue: str) -> int:
        return self.depth(queue).ready if self._is_stream(queue) else int(super()._size(queue))

    def depth(self, queue: str) -> Depth:
        """What stands in a queue."""
        return depth_of(self._line, self.options.queue(queue))

    def _purge(self, queue: str) -> int:
        if not self._is_stream(queue):
            return int(super()._purge(queue))
        return int(self._line.run(scripts.PURGE, self.options.queue(queue).for_turn, (GROUP,)))

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        super()._delete(queue, *args, **kwargs)
        if self._is_stream(queue):
            names = FleetKeys(self.options.prefix).queues
            self._line.run(scripts.DELETE, (names, *self.options.queue(queue).all), (queue,))

    # consuming

    @property
    def active_queues(self) -> list[str]:
        """The queues that are lists; the stock poller reads these."""
        return self._lists

    def _update_queue_cycle(self) -> None:
        # Asked before each poll, so worked out when it changes.
        self._lists = [queue for queue in super().active_queues if not self._is_stream(queue)]
        super()._update_queue_cycle()

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **kwargs: Any) -> Any:
        """Consume from a queue. Raises redis-py's errors when the lease cannot be taken."""
        consumed = super().basic_consume(queue, no_ack, *args, **kwargs)
        if queue not in self._fanout_queues and self._is_stream(queue):
            (self._unacknowledged.add if no_ack else self._unacknowledged.discard)(queue)
            self._start_reading(queue)
        return consumed

    def _start_reading(self, queue: str) -> None:
        keys = self.options.queue(queue)
        self.member.join(keys)
        if self.reader is None:
            self.member.reconcile()
            self.reader = Reader(self, self.member, self.options)
            self.member.reading(by=1)
        if keys not in self.reader.queues:
            self.reader.queues.append(keys)

    def _basic_cancel(self, consumer_tag: str) -> Any:
        queue = self._tag_to_queue.get(consumer_tag)
        cancelled = super()._basic_cancel(consumer_tag)
        if self.reader is not None and queue not in self._active_queues:
            self.reader.queues = [keys for keys in self.reader.queues if keys.queue != queue]
            if not self.reader.queues:
                self._stop_reading(finish=True)
        return cancelled

    def _stop_reading(self, *, finish: bool) -> None:
        reader, self.reader = self.reader, None
        if reader is None:
            return
        try:
            if finish:
                reader.finish()
        finally:
            reader.close()
            self.member.reading(by=-1)
            self.member.settle()

    def credit(self) -> int:
        """How many messages may be read now."""
        qos = self.qos
        if not qos.can_consume():
            return 0
        if "can_consume" in vars(qos):
            return 1  # Celery's worker_disable_prefetch put its own rule there, which only says yes or no
        return min(qos.prefetch_count - qos.outstanding, MOST_AT_ONCE) if qos.prefetch_count else MOST_AT_ONCE

    @property
    def has_credit(self) -> bool:
        """Whether one more message may be delivered."""
        return bool(self.qos.can_consume())

    def deliver(self, tag: Tag, payload: Payload) -> None:
        """Hand a message to its consumer."""
        if tag.queue not in self.connection._callbacks:
            # Cancelled while the message was on its way.
            self.member.hand_back([tag])
            return
        self.connection._deliver(payload, tag.queue)
        if tag.queue in self._unacknowledged:
            self.qos.ack(str(tag))

    def _on_turn(self) -> bool:
        return self.reader is not None and self.reader.on_turn()

    def _on_wait(self) -> bool:
        return self.reader is not None and self.reader.on_wait()

    def _poll_error(self, kind: str, **options: Any) -> None:
        if kind in (TURN, WAIT):
            self.handlers[kind]()
        else:
            super()._poll_error(kind, **options)

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:
        """Get one message, or None."""
        message = super().basic_get(queue, no_ack, **kwargs)
        if message is not None and no_ack and self._is_stream(queue):
            self.qos.ack(message.delivery_tag)
        return message

    def _get(self, queue: str) -> Payload:
        if not self._is_stream(queue):
            payload: Payload = super()._get(queue)
            return payload
        keys = self.options.queue(queue)
        self.member.join(keys)
        while True:
            *_, entries = self._line.run(scripts.TURN, *self.member.turn((keys,), (), 1))
            if not entries:
                raise Empty
            _, place, entry_id, fields = entries[0]
            tag = Tag(entry_id.decode(), place, queue)
            try:
                return unseal(fields, tag)
            except NotAMessage:
                self.member.set_aside(tag)

    # ending

    def _disconnect_pools(self) -> None:
        self._line.close()
        self._publisher.close()
        super()._disconnect_pools()

    def close(self) -> None:
        """Close the channel. Its tasks go on: nothing is pushed back."""
        self._stop_reading(finish=False)
        super().close()


def _target_of(client: Any) -> Target:
    # Of a URL with several parts kombu keeps the list here and the first part as the host name.
    url = ";".join(client.alt) if client.alt else client.hostname
    return read_url(url, tls_of(client.ssl))


def _fingerprint(target: Target) -> str:
    """Tells servers apart without keeping their passwords."""
    facts = sorted((name, str(value)) for name, value in target.parameters.items())
    return hashlib.sha256(repr((facts, target.sentinels, target.master_name)).encode()).hexdigest()
