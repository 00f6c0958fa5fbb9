"""A Celery application for faults to hit, and the worker process that runs it: `python -m tests.support.fleet_app`.

It knows nothing of Penstock but the transport. What its tasks do goes to a file and not to Redis, so that no fault of
Redis can lose it: one line of JSON for each event, appended whole.
"""

import json
import os
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from celery import Celery, Task
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning
from celery.signals import worker_ready

OUTLASTING = {"max_retries": 200, "interval_start": 0.1, "interval_step": 0.1, "interval_max": 0.5}
"""How to try publishing again: for longer than any outage of a test."""
MAIN_PID = os.getpid()
"""Of the worker, in its children too."""


def create_app(broker_url: str, transport: str, options: dict[str, Any], **settings: Any) -> Celery:
    """An application without tasks. `transport` is "streams", or "lists" for kombu's own."""
    app = Celery("fleet", set_as_current=False)
    app.conf.update(
        _broker(broker_url, transport, options),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_default_queue="work",
        task_publish_retry_policy=OUTLASTING,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        **settings,
    )
    return app


def _broker(url: str, transport: str, options: dict[str, Any]) -> dict[str, Any]:
    if transport == "lists":
        return {"broker_url": url, "broker_transport_options": {"visibility_timeout": options["lease_s"]}}
    from orchestration.transport import broker_settings

    return broker_settings(url, **options)


class Effects:
    """Writes down what happened; the clock is the machine's, so that processes can be compared."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def record(self, event: str, token: str = "", task_id: str = "") -> None:
        facts = {"at": time.monotonic(), "event": event, "token": token, "task_id": task_id}
        line = json.dumps(facts | {"pid": os.getpid(), "main_pid": MAIN_PID})
        os.write(self._file, line.encode() + b"\n")


def add_tasks(app: Celery, effects: Effects) -> None:
    """What workers can be asked to do."""

    def work(task: Task, token: str, sleep_s: float = 0.0) -> None:
        effects.record("start", token, task.request.id)
        time.sleep(sleep_s)
        effects.record("end", token, task.request.id)

    app.task(name="note", bind=True)(work)
    app.task(name="note_early", bind=True, acks_late=False)(work)

    @app.task(name="kill_child", bind=True)
    def kill_child(task: Task, token: str) -> None:
        effects.record("start", token, task.request.id)
        os.kill(os.getpid(), signal.SIGKILL)

    @app.task(name="kill_main", bind=True)
    def kill_main(task: Task, token: str) -> None:
        effects.record("start", token, task.request.id)
        os.kill(MAIN_PID, signal.SIGKILL)

    @app.task(name="retrying", bind=True, max_retries=None)
    def retrying(task: Task, token: str, times: int, countdown_s: float) -> None:
        effects.record("start", f"{token}.{task.request.retries}", task.request.id)
        if task.request.retries < times:
            raise task.retry(countdown=countdown_s)
        effects.record("end", token, task.request.id)


def main() -> None:
    """Run a worker; arguments are those of `celery worker`, everything else comes from the environment."""
    # Celery reminds of a setting that is chosen here on purpose, and of root, who runs the tests in a container.
    for known in (CPendingDeprecationWarning, SecurityWarning):
        warnings.simplefilter("ignore", known)
    effects = Effects(Path(os.environ["FLEET_EFFECTS"]))
    app = create_app(
        os.environ["FLEET_BROKER_URL"],
        os.environ["FLEET_TRANSPORT"],
        json.loads(os.environ["FLEET_TRANSPORT_OPTIONS"]),
    )
    add_tasks(app, effects)
    worker_ready.connect(lambda **_: effects.record("ready"), weak=False)
    app.worker_main(sys.argv[1:])


if __name__ == "__main__":
    main()
