"""What becomes of a job while the language model is out of reach: it waits, goes without or fails, as it was wished."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from stages.contract import Cancelled, Llm, Permanent, Postponed, StageError, Tools
from stages.contract.tools import Turn

T = TypeVar("T")

LONG_S = 60.0
"""Waiting for longer than this for the turn of a call counts as out of reach."""
KEPT_BACK_S = 5.0
"""Of the time of an attempt, for doing without the model after it did not answer in time."""
OUT_OF_REACH = frozenset({"budget_exhausted", "dependency_unavailable", "llm_denied"})
"""Errors after which asking again soon would not help."""


def or_without(tools: Tools, ask: Callable[[Llm, Tools], T], without: Callable[[str | None], T]) -> T:
    """Ask the language model, or do without it; `without` is given the code of what went wrong, if anything did.

    Raises what asking raises, as `Permanent` where the job is to fail rather than to wait.
    """
    if tools.llm is None:
        return without(None)
    fallback = tools.options.fallback
    if fallback == "wait":
        return ask(tools.llm, tools)
    try:
        return ask(tools.llm, _in_time(tools))
    except StageError as error:
        if not is_out_of_reach(error, tools.turn):
            raise
        if fallback == "extractive" and not tools.options.need_model:
            return without(error.code)
        if fallback == "fail":
            raise Permanent(error.code, error.message) from error
        raise


def is_out_of_reach(error: StageError, turn: Turn) -> bool:
    """Whether the model will not answer soon: it is down, over a budget, or asked too often.

    >>> is_out_of_reach(Postponed("llm_rate_limited", delay_s=30), Turn(parked_s=10))
    False
    >>> is_out_of_reach(Postponed("llm_throttled", delay_s=300), Turn())
    True
    """
    if isinstance(error, Cancelled):
        return False
    if error.code in OUT_OF_REACH:
        return True
    if isinstance(error, Postponed):
        return turn.parked_s + error.delay_s > LONG_S
    return turn.is_last and error.blames_dependency


def _in_time(tools: Tools) -> Tools:
    """The same, with an earlier end."""
    kept_back_s = min(KEPT_BACK_S, tools.scope.remaining_s() / 2)
    return replace(tools, scope=replace(tools.scope, deadline=tools.scope.deadline - kept_back_s))
