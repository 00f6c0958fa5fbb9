"""The gate before the queue of a worker: shut while the queue is paused.

Shutting it cancels the consumer, and hands back what a message on its way would still begin. Whether it should be open
is said again and again, so nothing depends on a command that arrives once.
"""

from typing import Any


class Gate:
    """Whether this process may begin what it is handed; open in processes that are no worker."""

    def __init__(self) -> None:
        self.is_open = True


class QueueGate:
    """Keeps a Celery worker's consumer of one queue in step with a gate."""

    def __init__(self, gate: Gate, worker: Any, queue: str) -> None:
        self._gate = gate
        self._worker = worker
        self._queue = queue

    def begin(self, *, is_open: bool) -> None:
        """Say where the gate stands before the worker starts."""
        self._gate.is_open = is_open
        if not is_open:
            self._worker.app.amqp.queues.deselect(self._queue)

    def set(self, *, is_open: bool) -> None:
        """Say where the gate stands, from any thread. Changes nothing while the worker has no connection."""
        self._gate.is_open = is_open
        consumer = self._worker.consumer
        reading = consumer.task_consumer
        if reading is not None and reading.consuming_from(self._queue) != is_open:
            consumer.call_soon(self._follow)

    def _follow(self) -> None:
        """In the worker's event loop. A broker that fails here is what Celery then connects to anew."""
        if self._gate.is_open:
            self._worker.consumer.add_task_queue(self._queue)
        else:
            self._worker.consumer.cancel_task_queue(self._queue)
