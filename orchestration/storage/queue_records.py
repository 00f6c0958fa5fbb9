"""Queues and workers in the records in SQL: which transaction each method is."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from orchestration.storage import records_queues as queues
from orchestration.storage.engine import Database
from pipeline.queues import Running, Worker


class SqlQueues:
    """The part of `SqlRecords` that knows which queues are paused and which workers live."""

    _database: Database

    def pause(self, stage: str, at: datetime) -> datetime:
        """Have the workers of a stage begin nothing new."""
        with self._database.write(durable=True) as connection:
            return queues.pause(connection, stage, at)

    def resume(self, stage: str) -> None:
        """Let them go on."""
        with self._database.write(durable=True) as connection:
            queues.resume(connection, stage)

    def paused(self) -> Mapping[str, datetime]:
        """The stages that are paused."""
        with self._database.read() as connection:
            return queues.paused(connection)

    def check_in(self, worker: Worker, *, lease_s: float) -> None:
        """Say that a worker lives."""
        with self._database.write() as connection:
            queues.check_in(connection, worker, lease_s)

    def check_out(self, name: str) -> None:
        """Say that a worker has ended."""
        with self._database.write() as connection:
            queues.check_out(connection, name)

    def workers(self) -> Sequence[Worker]:
        """The workers that live."""
        with self._database.read() as connection:
            return queues.workers(connection)

    def forget_workers(self) -> int:
        """Erase what is kept of workers that died."""
        with self._database.write() as connection:
            return queues.forget_workers(connection)

    def running(self) -> Sequence[Running]:
        """The attempts that run."""
        with self._database.read() as connection:
            return queues.running(connection)
