"""What stands in the queues."""

from collections.abc import Iterable
from typing import Any

import amqp.exceptions
import kombu.exceptions
from celery import Celery

from pipeline.errors import BrokerUnavailable


def with_messages(app: Celery, queues: Iterable[str]) -> frozenset[str]:
    """Those of these queues that hold messages which no worker has taken yet. Raises `BrokerUnavailable`."""
    connection: Any = app.connection_for_write()
    with connection:
        try:
            connection.ensure_connection(max_retries=1, interval_start=0)
            return frozenset(queue for queue in queues if _waiting(connection.default_channel, queue))
        except (kombu.exceptions.OperationalError, *connection.recoverable_connection_errors) as error:
            raise BrokerUnavailable("the broker does not answer") from error


def _waiting(channel: Any, queue: str) -> int:
    try:
        return int(channel.queue_declare(queue, passive=True).message_count)
    except amqp.exceptions.ChannelError:
        return 0  # An empty list does not exist in Redis.
