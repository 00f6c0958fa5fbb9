"""What was spent on language models, in the records in memory."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

from pipeline.ids import Hold
from pipeline.memory_answers import MemoryAnswers
from pipeline.ports import Finished
from pipeline.spending import NOTHING, DayOfUsage, Spending, Spent
from stages.contract import Clock


class MemorySpending(MemoryAnswers):
    """Counts each attempt once."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._paid: set[tuple[Hold, str]] = set()
        self._days: dict[tuple[str, date, str], Spent] = defaultdict(Spent)

    def spend(self, hold: Hold, spending: Spending, at: datetime) -> None:
        """Record what an attempt spent whose outcome nobody records."""
        with self._lock:
            self._spend(hold, Finished(at, 0.0, spending))

    def usage(self, tenant_id: str, first: date, last: date) -> Sequence[DayOfUsage]:
        """What a tenant spent on these days and those between."""
        with self._lock:
            known = sorted(
                (day, model, spent) for (owner, day, model), spent in self._days.items() if owner == tenant_id
            )
        return [DayOfUsage(*each) for each in known if first <= each[0] <= last]

    def _spend(self, hold: Hold, ended: Finished) -> None:
        if ended.spending is None:
            return
        self._judge_answers(ended.spending)
        tenant_id, day = ended.spending.tenant_id, ended.at.astimezone(UTC).date()
        for model, spent in ended.spending.by_model.items():
            if (hold, model) not in self._paid:
                self._paid.add((hold, model))
                self._days[tenant_id, day, model] += spent
                self._add_to_attempt(hold, spent)

    def _add_to_attempt(self, hold: Hold, spent: Spent) -> None:
        stage = self._stage(hold.key)
        if stage is not None:
            stage.add_spent(hold.epoch, spent)

    def _spent_by_model(self) -> Mapping[str, Spent]:
        sums: dict[str, Spent] = {}
        for (_, _, model), spent in self._days.items():
            sums[model] = sums.get(model, NOTHING) + spent
        return sums
