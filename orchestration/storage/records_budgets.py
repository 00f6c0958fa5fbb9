"""Budgets: what was set, what is used, and the stages that wait for one."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, select, update

from orchestration.storage.schema import budget_limits, budget_uses, stages
from orchestration.storage.upsert import upsert
from pipeline.budgets import Budget, BudgetState, Period
from pipeline.job import StageState


def limits(connection: Connection, scopes: Sequence[str] | None = None) -> Mapping[tuple[str, Period], int]:
    wanted = select(budget_limits)
    if scopes is not None:
        wanted = wanted.where(budget_limits.c.scope.in_(scopes))
    return {(row.scope, row.period): row.micros for row in connection.execute(wanted)}


def set_limit(connection: Connection, scope: str, period: Period, micros: int | None) -> None:
    if micros is None:
        of_scope = and_(budget_limits.c.scope == scope, budget_limits.c.period == period)
        connection.execute(delete(budget_limits).where(of_scope))
        return
    insert = upsert(connection, budget_limits).values(scope=scope, period=period, micros=micros)
    connection.execute(insert.on_conflict_do_update(index_elements=["scope", "period"], set_={"micros": micros}))


def take(connection: Connection, budgets: Sequence[Budget], micros: int, at: datetime) -> Budget | None:
    """In the order that is given, which is the same for all, so that two never wait for each other in a circle."""
    taken = connection.begin_nested()
    for budget in budgets:
        if not _take(connection, budget, micros, at):
            taken.rollback()
            return budget
    taken.commit()
    return None


def _take(connection: Connection, budget: Budget, micros: int, at: datetime) -> bool:
    known = {"scope": budget.scope, "period": budget.period.name_at(at)}
    connection.execute(upsert(connection, budget_uses).values(**known, micros=0).on_conflict_do_nothing())
    has_room = budget_uses.c.micros + micros <= budget.limit_micros
    more = update(budget_uses).where(_is(budget, at), has_room).values(micros=budget_uses.c.micros + micros)
    return connection.execute(more).rowcount > 0


def give_back(connection: Connection, budgets: Sequence[Budget], micros: int, at: datetime) -> None:
    for budget in budgets:
        less = update(budget_uses).where(_is(budget, at)).values(micros=budget_uses.c.micros - micros)
        connection.execute(less)


def used(connection: Connection, budgets: Sequence[Budget], at: datetime) -> list[BudgetState]:
    return [BudgetState(each, _used(connection, each, at)) for each in budgets]


def _used(connection: Connection, budget: Budget, at: datetime) -> int:
    return connection.scalar(select(budget_uses.c.micros).where(_is(budget, at))) or 0


def _is(budget: Budget, at: datetime) -> ColumnElement[bool]:
    return and_(budget_uses.c.scope == budget.scope, budget_uses.c.period == budget.period.name_at(at))


def retry_parked(connection: Connection, code: str) -> int:
    waits = and_(stages.c.state == StageState.READY, stages.c.error["code"].as_string() == code)
    due_now = update(stages).where(waits).values(not_before=0.0, launched_at=None)
    return connection.execute(due_now).rowcount
