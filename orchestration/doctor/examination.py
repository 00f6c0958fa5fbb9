"""The examination of a deployment: from its settings to findings."""

from collections.abc import Callable, Sequence
from typing import Any

from orchestration.doctor import probes, rules
from orchestration.doctor.deadlines import answers
from orchestration.doctor.findings import Finding
from orchestration.embedded.datadir import DataDir
from orchestration.settings import Settings
from orchestration.wiring import Wiring
from pipeline.budgets import Limits
from pipeline.errors import NoCatalog

DEADLINE_S = 8.0
"""For all probes, which ask at the same time; somewhat more than each of them waits by itself."""
STOPPED = "the stack does not run"


def examine(settings: Settings) -> Sequence[Finding]:
    """Check all that a deployment with these settings needs. Takes a few seconds at most, whatever hangs."""
    wiring = Wiring(settings)
    runs = not settings.is_embedded or DataDir(settings.data_dir).running() is not None
    told = answers(_questions(wiring, runs=runs), DEADLINE_S)
    return [
        rules.of_catalog(_catalog_error(wiring)),
        *([rules.of_stack(settings.data_dir, runs=runs)] if settings.is_embedded else ()),
        *(rules.of_broker(told["broker"]) if runs else rules.all_skipped(["broker"], STOPPED)),
        *rules.of_database(told["database"]),
        *rules.of_payloads(told["payloads"]),
        rules.of_llm(told["llm"]),
        _of_prices(wiring, told["database"]),
        *(_of_work(wiring, told["database"]) if runs else rules.all_skipped(rules.WORK, STOPPED)),
    ]


def _questions(wiring: Wiring, *, runs: bool) -> dict[str, Callable[[], Any]]:
    settings, clock = wiring.settings, wiring.clock
    questions: dict[str, Callable[[], Any]] = {
        "database": lambda: probes.ask_database(settings.sql_url, clock),
        "payloads": lambda: probes.ask_payloads(wiring.payloads),
        "llm": lambda: probes.ask_llm(wiring.llm, clock),
    }
    if runs:
        questions["broker"] = lambda: probes.ask_broker(settings.redis_url, clock)
    return questions


def _catalog_error(wiring: Wiring) -> str | None:
    try:
        _ = wiring.catalog
    except NoCatalog as error:
        return str(error)
    return None


def _of_prices(wiring: Wiring, database: Any) -> Finding:
    settings, work = wiring.settings, getattr(database, "work", None)
    unpriced = [model for model in wiring.offer.models if model not in settings.llm_prices.models]
    return rules.of_prices(unpriced, has_budget=settings.llm_limits != Limits() or bool(work and work.has_budgets))


def _of_work(wiring: Wiring, database: Any) -> Sequence[Finding]:
    settings = wiring.settings
    has_secret_key = settings.is_embedded or settings.secret_key is not None
    if _catalog_error(wiring) is not None:
        return rules.all_skipped(rules.WORK, "without a catalog there are no stages")
    return rules.of_work(database, tuple(wiring.catalog.stages), has_secret_key=has_secret_key)
