"""A Celery application whose tasks do one thing each, for what must be the same on any transport.

Worker processes load `app`, which is described by the environment; tests call `make_app`.
"""

import json
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

from celery import Celery, Task, current_app
from celery.exceptions import Ignore, Reject
from kombu import Queue

from orchestration.transport import broker_settings

F = TypeVar("F", bound=Callable[..., Any])

TASKS: list[tuple[Callable[..., Any], dict[str, Any]]] = []
HOLD_LIMIT_S = 30
FLEETING_S = 300.0


def make_app(transport: str, broker_url: str, backend_url: str, **options: Any) -> Celery:
    """An application on `streams` or on kombu's stock `lists`, with these transport options."""
    app = Celery("parity", set_as_current=False)
    app.conf.update(
        **_broker(transport, broker_url, options),
        result_backend=backend_url,
        task_default_queue="parity",
        task_queues=[Queue("parity"), Queue("fleeting", expires=FLEETING_S)],
        task_send_sent_event=True,
        worker_send_task_events=True,
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
    )
    for function, settings in TASKS:
        app.task(function, name=function.__name__, **settings)
    return app


def _broker(transport: str, url: str, options: dict[str, Any]) -> dict[str, Any]:
    if transport == "lists":
        return {"broker_url": url, "broker_transport_options": {"queue_order_strategy": "priority", **options}}
    # The share of lower lanes would let one message in so many pass before more urgent ones.
    return broker_settings(url, **{"lower_lane_share": 10_000, **options})


def task(**options: Any) -> Callable[[F], F]:
    def keep(function: F) -> F:
        TASKS.append((function, options))
        return function

    return keep


def notes_key(label: str) -> str:
    """The list to which tasks add what they did, in the server of the result backend."""
    return f"notes:{label}"


def _note(label: str, what: object) -> int:
    return int(current_app.backend.client.rpush(notes_key(label), str(what)))


@task()
def add(x: int, y: int) -> int:
    return x + y


@task()
def total(numbers: list[int]) -> int:
    return sum(numbers)


@task()
def echo(value: Any, **named: Any) -> Any:
    return [value, named] if named else value


@task()
def fail() -> None:
    raise ValueError("as asked")


@task()
def note(label: str, what: object) -> None:
    _note(label, what)


@task(acks_late=True)
def note_slowly(label: str, what: object) -> None:
    time.sleep(0.03)
    _note(label, what)


@task(ignore_result=True)
def note_silently(label: str) -> int:
    return _note(label, "ran")


@task()
def note_result(result: object, label: str) -> None:
    _note(label, result)


@task()
def note_error(request: Any, error: Exception, traceback: object, label: str) -> None:
    _note(label, error)


@task()
def note_time(label: str) -> None:
    _note(label, time.time())


@task(rate_limit="5/s")
def note_time_rated(label: str) -> None:
    _note(label, time.time())


@task(bind=True)
def retrying(self: Task, label: str, retries: int, countdown_s: float) -> int:
    _note(label, f"{self.request.retries} {time.time()}")
    if self.request.retries < retries:
        raise self.retry(countdown=countdown_s, max_retries=retries)
    return int(self.request.retries)


@task(bind=True)
def replacing(self: Task, x: int) -> Any:
    raise self.replace(self.app.tasks["add"].s(x, 100))


@task(bind=True, acks_late=True)
def rejecting(self: Task, label: str, requeue: bool) -> bool:
    if _note(label, "ran") == 1:
        raise Reject("as asked", requeue=requeue)
    return bool(self.request.delivery_info["redelivered"])


@task(acks_late=True)
def ignoring(label: str) -> None:
    _note(label, "ran")
    raise Ignore


@task()
def hold(label: str) -> None:
    _hold(label)


@task(acks_late=True)
def hold_late(label: str) -> None:
    _hold(label)


def _hold(label: str) -> None:
    _note(label, "started")
    current_app.backend.client.blpop(f"release:{label}", HOLD_LIMIT_S)


@task(bind=True)
def request_facts(self: Task) -> dict[str, Any]:
    """What the worker sees of its own message."""
    request = self.request
    return {
        "headers": request.headers,
        "eta": request.eta,
        "retries": request.retries,
        "priority": request.delivery_info["priority"],
        "routing_key": request.delivery_info["routing_key"],
    }


if "PARITY_TRANSPORT" in os.environ:
    app = make_app(
        os.environ["PARITY_TRANSPORT"],
        os.environ["PARITY_BROKER_URL"],
        os.environ["PARITY_BACKEND_URL"],
        **json.loads(os.environ["PARITY_OPTIONS"]),
    )
