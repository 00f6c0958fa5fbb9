"""Jobs that wait for a budget need not wait until it is renewed where the settings have a larger one by now."""

import json
from dataclasses import asdict

from orchestration.budgets import CODE
from pipeline.budgets import Limits
from pipeline.ports import Records

SEEN = "llm_budgets"


class BudgetWatch:
    """What the keeper does about budgets, once after it started: settings change only with a restart."""

    def __init__(self, records: Records, limits: Limits) -> None:
        self._records = records
        self._limits = json.dumps(asdict(limits))
        self._is_seen = False

    def turn(self) -> int:
        """Have those that wait look again if the budgets are not what they were; returns how many."""
        if self._is_seen:
            return 0
        retried = 0
        if self._records.marker(SEEN) != self._limits:
            retried = self._records.retry_parked(CODE)
            self._records.set_marker(SEEN, self._limits)
        self._is_seen = True
        return retried
