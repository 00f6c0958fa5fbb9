"""Actions on many jobs in the records in SQL: which transaction each method is."""

from collections.abc import Sequence
from datetime import datetime

from orchestration.storage import records_bulk as bulk_actions
from orchestration.storage.engine import Database
from pipeline.bulk import BulkAction, BulkFailure, BulkItem, NewBulkAction
from pipeline.job import Job
from pipeline.pages import Page
from pipeline.runs import NewRun


class SqlBulk:
    """The part of `SqlRecords` that keeps actions on many jobs."""

    _database: Database

    def record_bulk(self, new: NewBulkAction) -> BulkAction:
        """Record an action."""
        with self._database.write(durable=True) as connection:
            return bulk_actions.record(connection, new)

    def bulk(self, tenant_id: str, action_id: str) -> BulkAction | None:
        """An action."""
        with self._database.read() as connection:
            return bulk_actions.read(connection, tenant_id, action_id)

    def bulks(self, tenant_id: str, *, before: str | None, limit: int) -> Page[BulkAction]:
        """Actions, newest first, without their failures."""
        with self._database.read() as connection:
            return bulk_actions.page(connection, tenant_id, before, limit)

    def abort_bulk(self, tenant_id: str, action_id: str, at: datetime) -> BulkAction:
        """Drop the jobs that wait for their turn."""
        with self._database.write(durable=True) as connection:
            return bulk_actions.abort(connection, tenant_id, action_id, at)

    def bulk_items(self, *, limit: int) -> Sequence[BulkItem]:
        """Jobs that wait for their turn."""
        with self._database.read() as connection:
            return bulk_actions.waiting(connection, limit)

    def act(self, item: BulkItem, new: NewRun) -> Job | None:
        """Do to a job what a bulk action says."""
        with self._database.write(durable=True) as connection:
            return bulk_actions.act(connection, item, new)

    def give_up(self, item: BulkItem, failure: BulkFailure, *, at: datetime) -> None:
        """Say that a job's turn ended in a defect."""
        with self._database.write() as connection:
            bulk_actions.give_up(connection, item, failure, at)

    def forget_bulk(self, *, before: datetime) -> int:
        """Erase old actions."""
        with self._database.write() as connection:
            return bulk_actions.forget(connection, before)
