"""Bulk actions in the records in memory."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pipeline.bulk import SHOWN_FAILURES, BulkAction, BulkFailure, BulkItem, BulkOutcome, NewBulkAction
from pipeline.errors import BulkActionNotFound
from pipeline.ids import canonical_uuid
from pipeline.memory_listing import MemoryListing
from pipeline.pages import Page, newest
from pipeline.ports import JobFilter
from stages.contract import Clock


@dataclass(frozen=True)
class KeptItem:
    """What became of one job."""

    outcome: BulkOutcome | None = None
    acted_at: datetime | None = None
    failure: BulkFailure | None = None


@dataclass
class KeptAction:
    """An action and its jobs, by id."""

    new: NewBulkAction
    items: dict[str, KeptItem] = field(default_factory=dict)
    aborted_at: datetime | None = None

    def seen(self) -> BulkAction:
        items = [item for _, item in sorted(self.items.items())]
        failures = [item.failure for item in items if item.failure is not None]
        return BulkAction(
            id=self.new.id,
            verb=self.new.verb,
            from_stage=self.new.from_stage,
            options=self.new.options,
            created_at=self.new.created_at,
            aborted_at=self.aborted_at,
            counts=Counter(item.outcome for item in items),
            reasons=dict(Counter(failure.code for failure in failures)),
            failures=tuple(failures[:SHOWN_FAILURES]),
            acted_at=max((item.acted_at for item in items if item.acted_at is not None), default=None),
        )

    def waiting(self) -> list[str]:
        return [job_id for job_id, item in sorted(self.items.items()) if item.outcome is None]

    def item(self, job_id: str) -> BulkItem:
        new = self.new
        return BulkItem(new.id, new.tenant_id, job_id, new.verb, new.from_stage, new.options)


class MemoryBulk(MemoryListing):
    """Recording bulk actions and handing out their jobs."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._actions: dict[str, KeptAction] = {}

    def record_bulk(self, new: NewBulkAction) -> BulkAction:
        """Record an action."""
        with self._lock:
            self._actions[new.id] = KeptAction(new, {job_id: KeptItem() for job_id in self._chosen(new)})
            return self._actions[new.id].seen()

    def bulk(self, tenant_id: str, action_id: str) -> BulkAction | None:
        """An action."""
        with self._lock:
            action = self._action(tenant_id, action_id)
            return None if action is None else action.seen()

    def bulks(self, tenant_id: str, *, before: str | None, limit: int) -> Page[BulkAction]:
        """Actions, newest first, without their failures."""
        with self._lock:
            of_tenant = [action.seen() for action in self._actions.values() if action.new.tenant_id == tenant_id]
        return newest((replace(each, failures=()) for each in of_tenant), before=before, limit=limit)

    def abort_bulk(self, tenant_id: str, action_id: str, at: datetime) -> BulkAction:
        """Drop the jobs that wait for their turn."""
        with self._lock:
            action = self._action(tenant_id, action_id)
            if action is None:
                raise BulkActionNotFound(action_id)
            if waiting := action.waiting():
                action.aborted_at = at
                action.items.update({job_id: KeptItem(BulkOutcome.DROPPED) for job_id in waiting})
            return action.seen()

    def bulk_items(self, *, limit: int) -> Sequence[BulkItem]:
        """Jobs that wait for their turn."""
        with self._lock:
            in_turn = [action for _, action in sorted(self._actions.items())]
            return [action.item(job_id) for action in in_turn for job_id in action.waiting()][:limit]

    def give_up(self, item: BulkItem, failure: BulkFailure, *, at: datetime) -> None:
        """Say that a job's turn ended in a defect."""
        with self._lock:
            if self._take(item, at):
                self._refuse(item, failure)

    def forget_bulk(self, *, before: datetime) -> int:
        """Erase old actions."""
        with self._lock:
            old = [
                action_id
                for action_id, action in self._actions.items()
                if action.new.created_at < before and not action.waiting()
            ]
            for action_id in old:
                del self._actions[action_id]
            return len(old)

    def _chosen(self, new: NewBulkAction) -> Sequence[str]:
        if isinstance(new.jobs, JobFilter):
            return [job.id for job in self._meant(new.tenant_id, new.jobs)]
        return new.jobs

    def _action(self, tenant_id: str, action_id: str) -> KeptAction | None:
        action = self._actions.get(canonical_uuid(action_id) or "")
        return action if action is not None and action.new.tenant_id == tenant_id else None

    def _take(self, item: BulkItem, at: datetime) -> bool:
        """Whether it still was to be done; it counts as done now."""
        action = self._actions.get(item.action_id)
        kept = None if action is None else action.items.get(item.job_id)
        if action is None or kept is None or kept.outcome is not None:
            return False
        action.items[item.job_id] = KeptItem(BulkOutcome.DONE, at)
        return True

    def _refuse(self, item: BulkItem, failure: BulkFailure) -> None:
        items = self._actions[item.action_id].items
        items[item.job_id] = replace(items[item.job_id], outcome=BulkOutcome.FAILED, failure=failure)
