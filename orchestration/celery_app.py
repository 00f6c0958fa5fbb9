"""The Celery application: broker, queues and the defaults that make delivery at least once."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from celery import Celery
from kombu import Queue

from orchestration.settings import Settings
from orchestration.transport import broker_settings
from pipeline.composition import AnyStage
from pipeline.job import LanePriority

VISIBILITY_TIMEOUT_S = 3600
"""When the lists transport redelivers what a dead worker held. Recovery does not wait for it: the keeper
relaunches from the record, and the record refuses the late duplicate."""
DELIVERY_LIMIT = 20
"""When the Streams transport sets a message aside. A backstop: the record counts lost workers, and ends a stage long
before."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a process waits for the broker."""

    publish_s: float
    """For one that is gone or full, until it takes a message; on the Streams transport."""
    reply_s: float
    """For one reply. The default of kombu and redis-py is to wait for ever, or nearly."""
    retries: int
    """Of a publish, besides the one that the Streams transport makes at once."""

    @property
    def retry_policy(self) -> dict[str, float]:
        """As kombu takes it, for publishing and for the connection that a publisher opens."""
        return {"max_retries": self.retries, "interval_start": 0.1, "interval_step": 0.2, "interval_max": 0.3}


WORKER = Patience(publish_s=15.0, reply_s=10.0, retries=2)
"""Rather waits than leaves the next stage to the keeper."""
ANSWERING = Patience(publish_s=0.0, reply_s=0.4, retries=0)
"""Somebody waits for the answer, which is to come within a second. The record is committed, so the keeper publishes."""


def create_app(settings: Settings, stages: Iterable[AnyStage], patience: Patience = ANSWERING) -> Celery:
    """Build the application for these stages; connects to nothing yet."""
    app = Celery("penstock", set_as_current=False)
    app.conf.update(
        **_broker(settings, patience),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_queues=[Queue(stage.name, routing_key=stage.name) for stage in stages],
        task_create_missing_queues=False,
        task_default_queue="unrouted",
        task_publish_retry_policy=patience.retry_policy,
        task_serializer="json",
        accept_content=["json"],
        # A chain needs no result backend: results are claims, and they are in the records.
        result_backend=None,
        task_ignore_result=True,
        # An attempt is acknowledged once its outcome is recorded and the next stage is published.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_inherit_parent_priority=True,
        # More would let a worker hoard bulk work while an urgent job arrives.
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    return app


def _broker(settings: Settings, patience: Patience) -> dict[str, Any]:
    if settings.broker_transport == "lists":
        lists = {"visibility_timeout": VISIBILITY_TIMEOUT_S, "queue_order_strategy": "priority", "sep": ":"}
        return {"broker_url": settings.redis_url, "broker_transport_options": lists | _common_options(patience)}
    streams = {"delivery_limit": DELIVERY_LIMIT, "publish_patience_s": patience.publish_s}
    return broker_settings(settings.redis_url, **streams, **_common_options(patience))


def _common_options(patience: Patience) -> dict[str, Any]:
    return {
        # kombu's default waits 2 s and 4 s for a connection, in each try of a publish.
        **patience.retry_policy,
        "priority_steps": [priority.value for priority in LanePriority],
        "socket_timeout": patience.reply_s,
        "socket_connect_timeout": patience.reply_s,
        "socket_keepalive": True,
    }
