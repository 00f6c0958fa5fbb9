"""The Celery application: broker, queues and the defaults that make delivery at least once."""

from collections.abc import Iterable
from typing import Any

from celery import Celery
from kombu import Queue

from orchestration.settings import Settings
from orchestration.transport import broker_settings
from pipeline.composition import AnyStage
from pipeline.job import LanePriority

PUBLISH_RETRY = {"max_retries": 2, "interval_start": 0.1, "interval_step": 0.2, "interval_max": 0.3}
"""A publisher gives up within a second: the record is committed, so the keeper publishes later."""
VISIBILITY_TIMEOUT_S = 3600
"""When the lists transport redelivers what a dead worker held. Recovery does not wait for it: the keeper
relaunches from the record, and the record refuses the late duplicate."""
DELIVERY_LIMIT = 20
"""When the Streams transport sets a message aside. A backstop: the record counts lost workers, and ends a stage long
before."""
WORKER_PATIENCE_S = 15.0
"""How long a worker waits for a broker that is gone or full before it leaves the next stage to the keeper."""


def create_app(settings: Settings, stages: Iterable[AnyStage], *, publish_patience_s: float = 0.0) -> Celery:
    """Build the application for these stages; connects to nothing yet.

    `publish_patience_s` is for workers on the Streams transport; elsewhere someone waits for an answer.
    """
    app = Celery("penstock", set_as_current=False)
    app.conf.update(
        **_broker(settings, publish_patience_s),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_queues=[Queue(stage.name, routing_key=stage.name) for stage in stages],
        task_create_missing_queues=False,
        task_default_queue="unrouted",
        task_publish_retry_policy=PUBLISH_RETRY,
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


def _broker(settings: Settings, publish_patience_s: float) -> dict[str, Any]:
    if settings.broker_transport == "lists":
        lists = {"visibility_timeout": VISIBILITY_TIMEOUT_S, "queue_order_strategy": "priority", "sep": ":"}
        return {"broker_url": settings.redis_url, "broker_transport_options": lists | _common_options()}
    streams = {"delivery_limit": DELIVERY_LIMIT, "publish_patience_s": publish_patience_s}
    return broker_settings(settings.redis_url, **streams, **_common_options())


def _common_options() -> dict[str, Any]:
    return {
        # Of the connection that a publisher opens; kombu's default waits 2 s and 4 s in each of the tries above.
        **PUBLISH_RETRY,
        "priority_steps": [priority.value for priority in LanePriority],
        # kombu's default is to wait for ever for a server that stopped answering.
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
    }
