"""The application on kombu's transport in memory: what it published, and delivering it as a worker would."""

import json
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import kombu.exceptions
import pytest
from celery.app.trace import build_tracer
from kombu.transport.memory import Channel
from pydantic import SecretStr

from orchestration.celery_app import create_app
from orchestration.settings import Settings
from pipeline.composition import AnyStage


@dataclass(frozen=True)
class Published:
    """A message in a queue."""

    queue: str
    size: int
    """As the Redis transport would store it, in bytes."""
    headers: dict[str, Any]
    priority: int
    args: list[Any]
    kwargs: dict[str, Any]
    embed: dict[str, Any]
    """The rest of the chain, last stage first."""

    @property
    def id(self) -> str:
        return str(self.headers["id"])


class MemoryBroker:
    """An app with a broker of its own; `is_down` makes it take no messages."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stages: Iterable[AnyStage], log: list[str] | None = None):
        self.app = create_app(Settings(broker_url=SecretStr("memory://"), broker_transport="lists"), stages)
        self.log = [] if log is None else log
        self.is_down = False
        put = Channel._put

        def guarded(channel: Channel, queue: str, message: dict[str, Any], **options: Any) -> None:
            if self.is_down:
                raise kombu.exceptions.OperationalError("down")
            self.log.append(f"publish {queue}")
            put(channel, queue, message, **options)

        monkeypatch.setattr(Channel, "queues", {})
        monkeypatch.setattr(Channel, "_put", guarded)

    def waiting(self, queue: str) -> list[Published]:
        """What is in a queue."""
        kept = Channel.queues.get(queue)
        return [] if kept is None else [_published(queue, message) for message in kept.queue]

    def all_waiting(self) -> list[Published]:
        return [message for queue in Channel.queues for message in self.waiting(queue)]

    def take(self, queue: str) -> Published:
        """Remove the oldest message of a queue."""
        return _published(queue, Channel.queues[queue].get_nowait())

    def deliver(self, message: Published) -> Any:
        """Run a message's task with the tracer that workers use; it publishes the next of the chain or the retry.

        Returns what the task returned, or the state it ended in, such as `RETRY` or `IGNORED`.
        """
        task = self.app.tasks[message.headers["task"]]
        request = {
            **message.headers,
            **message.embed,
            "args": message.args,
            "kwargs": message.kwargs,
            "delivery_info": {"exchange": "", "routing_key": message.queue, "priority": message.priority},
            "is_eager": False,
            "hostname": "test",
        }
        returned, info, *_ = build_tracer(task.name, task, app=self.app)(
            message.id, message.args, message.kwargs, request
        )
        return returned if info is None else info.state

    def work(self, *queues: str) -> list[Any]:
        """Deliver the oldest message of each of these queues in turn."""
        return [self.deliver(self.take(queue)) for queue in queues]


def _published(queue: str, message: dict[str, Any]) -> Published:
    args, kwargs, embed = json.loads(b64decode(message["body"]))
    return Published(
        queue=queue,
        size=len(json.dumps(message)),
        headers=message["headers"],
        priority=message["properties"]["priority"],
        args=args,
        kwargs=kwargs,
        embed=embed,
    )
