"""`penstock budgets`: listing and setting, in the records themselves."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from decimal import Decimal

from api.cli.report import note
from api.cli.tables import print_table
from api.schemas_usage import MICRO
from orchestration.settings import Settings
from orchestration.wiring import Wiring
from pipeline.budgets import EVERYBODY, BudgetState, Period, micros_of

ALL = "all"
HEADINGS = ("whose", "per", "used", "limit")


def list_budgets(settings: Settings, *, as_json: bool) -> None:
    """Print all budgets."""
    with closing(Wiring(settings)) as wiring:
        wiring.records.check()
        found = wiring.budget_desk.overview()
    rows = list(_rows(found))
    if as_json:
        for row in rows:
            print(json.dumps(dict(zip(("whose", "period", "used", "limit"), row, strict=True))))
    else:
        print_table(HEADINGS, rows)


def set_budgets(settings: Settings, who: str, amounts: Mapping[Period, Decimal | None]) -> None:
    """Set what somebody may spend."""
    scope = EVERYBODY if who == ALL else who
    with closing(Wiring(settings)) as wiring:
        wiring.records.check()
        micros = {period: None if money is None else micros_of(money) for period, money in amounts.items()}
        retried = [wiring.budget_desk.set_limit(scope, period, limit) for period, limit in micros.items()]
    note(f"Set. {max(retried)} stages that waited for a budget look again.")


def _rows(states: Sequence[BudgetState]) -> Iterator[tuple[str, str, str, str]]:
    for state in states:
        whose = ALL if state.budget.scope == EVERYBODY else state.budget.scope
        yield whose, state.budget.period, str(state.used_micros * MICRO), str(state.budget.limit_micros * MICRO)
