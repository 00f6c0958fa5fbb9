"""The gate before a consumer of Celery's; workers in processes of their own are in tests/faults/jobs/test_pauses.py."""

from types import SimpleNamespace
from typing import Any

from kombu import Connection, Consumer, Queue

from orchestration.gate import Gate, QueueGate

QUEUE = "fetch"


class FakeWorker:
    """As much of a Celery worker as a gate touches; what is to be called soon waits for `turn`."""

    def __init__(self) -> None:
        self.selected = {QUEUE}
        self.app = SimpleNamespace(amqp=SimpleNamespace(queues=SimpleNamespace(deselect=self.selected.discard)))
        self.task_consumer: Any = None
        self.soon: list[Any] = []
        self.consumer = self
        self.call_soon = self.soon.append

    def start(self) -> None:
        queues = [Queue(name) for name in self.selected]
        self.task_consumer = Consumer(Connection("memory://"), queues)
        self.task_consumer.consume()

    def turn(self) -> None:
        calls, self.soon[:] = list(self.soon), []
        for call in calls:
            call()

    def add_task_queue(self, queue: str) -> None:
        self.task_consumer.add_queue(Queue(queue))
        self.task_consumer.consume()

    def cancel_task_queue(self, queue: str) -> None:
        self.task_consumer.cancel_by_queue(queue)

    @property
    def reads(self) -> bool:
        return bool(self.task_consumer.consuming_from(QUEUE))


def started(*, is_open: bool) -> tuple[FakeWorker, Gate, QueueGate]:
    worker, gate = FakeWorker(), Gate()
    queue_gate = QueueGate(gate, worker, QUEUE)
    queue_gate.begin(is_open=is_open)
    assert gate.is_open is is_open
    worker.start()
    return worker, gate, queue_gate


def test_a_worker_that_begins_shut_reads_nothing_until_it_is_opened() -> None:
    worker, _, queue_gate = started(is_open=False)
    assert not worker.reads
    queue_gate.set(is_open=True)
    worker.turn()
    assert worker.reads


def test_a_gate_that_shuts_holds_back_at_once_and_ends_the_reading_in_the_event_loop() -> None:
    worker, gate, queue_gate = started(is_open=True)
    queue_gate.set(is_open=False)
    assert not gate.is_open
    assert worker.reads
    worker.turn()
    assert not worker.reads


def test_what_is_said_again_changes_nothing() -> None:
    worker, _, queue_gate = started(is_open=True)
    for is_open in (True, False, False, True, True):
        queue_gate.set(is_open=is_open)
        queue_gate.set(is_open=is_open)
        worker.turn()
        assert worker.reads is is_open
        queue_gate.set(is_open=is_open)
        assert worker.soon == []


def test_only_what_was_said_last_counts() -> None:
    worker, _, queue_gate = started(is_open=True)
    queue_gate.set(is_open=False)
    queue_gate.set(is_open=True)
    worker.turn()
    assert worker.reads


def test_a_consumer_that_somebody_else_took_away_is_put_back() -> None:
    worker, _, queue_gate = started(is_open=True)
    worker.cancel_task_queue(QUEUE)
    queue_gate.set(is_open=True)
    worker.turn()
    assert worker.reads


def test_a_worker_without_a_connection_is_left_alone() -> None:
    worker = FakeWorker()
    QueueGate(Gate(), worker, QUEUE).set(is_open=False)
    assert worker.soon == []
