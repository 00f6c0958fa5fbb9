"""What stands in the queues, as far as the transport can say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import amqp.exceptions
import kombu.exceptions
import redis.exceptions
from celery import Celery

from orchestration.transport import Inspector, Transport
from pipeline.errors import BrokerUnavailable
from pipeline.job import Lane, priority_of
from pipeline.work import Suspect


@dataclass(frozen=True, slots=True)
class Backlog:
    """The messages of one queue, by where they are. None is what lists cannot tell: workers have it in memory."""

    lanes: Mapping[Lane, int]
    """Waiting for their first delivery."""
    redelivery: int | None = None
    """Waiting, and delivered before."""
    delayed: int | None = None
    """Not due yet; in a paused queue, also due by now."""
    in_flight: int | None = None
    """Delivered and not settled."""
    oldest_s: float | None = None
    """For how long the one that waits longest has waited, or None when none waits, too."""


class Queues(Protocol):
    """Questions of keepers and operators to the broker. All raise `BrokerUnavailable`."""

    transport: Literal["streams", "lists"]

    def backlogs(self) -> Mapping[str, Backlog]:
        """What stands in the queue of each stage."""

    def incarnation(self) -> str | None:
        """Changes when the broker lost its memory; None where it cannot tell, or not yet."""

    def in_line(self) -> frozenset[str]:
        """The stages whose queues hold messages that no worker has taken yet."""

    def without_message(self, suspects: Iterable[Suspect]) -> Iterator[Suspect]:
        """Those whose message is gone, or may be where the broker cannot tell."""


class ListQueues:
    """Lists say how long they are, and no more."""

    transport: Literal["streams", "lists"] = "lists"

    def __init__(self, app: Celery, names: Sequence[str]) -> None:
        self._app = app
        self._names = names

    def backlogs(self) -> Mapping[str, Backlog]:
        """The lengths of the lists."""
        with answering(self._app) as connection:
            return {name: Backlog(_lengths(connection.default_channel, name)) for name in self._names}

    def incarnation(self) -> str | None:
        """Not known."""
        return None

    def in_line(self) -> frozenset[str]:
        """The queues that are not empty."""
        with answering(self._app) as connection:
            return frozenset(name for name in self._names if _waiting(connection.default_channel, name))

    def without_message(self, suspects: Iterable[Suspect]) -> Iterator[Suspect]:
        """All of them: a duplicate is refused by the record."""
        return iter(suspects)


class StreamQueues(ListQueues):
    """Streams can be searched, and tell whether they are the ones they were."""

    transport = "streams"

    def backlogs(self) -> Mapping[str, Backlog]:
        """All there is to know."""
        with self._inspector() as inspector:
            return {name: _backlog(inspector, name) for name in self._names}

    def incarnation(self) -> str | None:
        """The marker that the workers leave in the broker's memory."""
        with self._inspector() as inspector:
            return inspector.incarnation()

    def without_message(self, suspects: Iterable[Suspect]) -> Iterator[Suspect]:
        """Those that a complete search did not find."""
        by_stage = defaultdict(list)
        for suspect in suspects:
            by_stage[suspect.key.stage].append(suspect)
        for stage, of_stage in by_stage.items():
            task_ids = {suspect.key.task_id(suspect.launches): suspect for suspect in of_stage}
            with self._inspector() as inspector:
                found = inspector.find(stage, task_ids)
            if found.complete:
                yield from (suspect for task_id, suspect in task_ids.items() if task_id not in found.present)

    @contextmanager
    def _inspector(self) -> Iterator[Inspector]:
        with answering(self._app) as connection, Inspector(connection) as inspector:
            yield inspector


def queues_of(app: Celery, names: Sequence[str]) -> Queues:
    """The questions that this application's transport can answer."""
    with app.connection_for_write() as connection:
        kind: Callable[[Celery, Sequence[str]], Queues] = (
            StreamQueues if isinstance(connection.transport, Transport) else ListQueues
        )
    return kind(app, names)


@contextmanager
def answering(app: Celery) -> Iterator[Any]:
    """A connection to the broker. Raises `BrokerUnavailable` when it does not answer, also later on."""
    connection: Any = app.connection_for_write()
    with connection:
        try:
            connection.ensure_connection(max_retries=1, interval_start=0)
            yield connection
        except (
            kombu.exceptions.OperationalError,
            redis.exceptions.RedisError,
            *connection.recoverable_connection_errors,
        ) as error:
            raise BrokerUnavailable("the broker does not answer") from error


def _backlog(inspector: Inspector, queue: str) -> Backlog:
    depth = inspector.depth(queue)
    return Backlog(
        lanes={lane: depth.lanes[priority_of(lane)] for lane in Lane},
        redelivery=depth.redelivery,
        delayed=depth.delayed,
        in_flight=depth.pending,
        oldest_s=inspector.oldest_s(queue),
    )


def _lengths(channel: Any, queue: str) -> Mapping[Lane, int]:
    with channel.conn_or_acquire() as client:
        return {lane: client.llen(channel._q_for_pri(queue, priority_of(lane))) for lane in Lane}


def _waiting(channel: Any, queue: str) -> int:
    try:
        return int(channel.queue_declare(queue, passive=True).message_count)
    except amqp.exceptions.ChannelError:
        return 0  # An empty list does not exist in Redis.
