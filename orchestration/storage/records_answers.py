"""Answers of language models that are kept."""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, false, literal, or_, select, true, update

from orchestration.storage.schema import answers, jobs
from orchestration.storage.upsert import upsert
from pipeline.answers import Answer, KeptAnswer
from pipeline.spending import Caller, Spending


def find(connection: Connection, caller: Caller, digest: str, since: datetime) -> KeptAnswer | None:
    may_have = or_(answers.c.is_accepted == true(), answers.c.job_id == caller.hold.key.job_id)
    this_one = _these(caller.tenant_id, (digest,))
    row = connection.execute(select(answers).where(this_one, answers.c.kept_at >= since, may_have)).first()
    return None if row is None else KeptAnswer(Answer(**row.answer), row.is_paid)


def keep(connection: Connection, caller: Caller, digest: str, answer: Answer, at: datetime) -> None:
    job_id = caller.hold.key.job_id
    values = {
        "tenant_id": caller.tenant_id,
        "digest": digest,
        "job_id": job_id,
        "answer": asdict(answer),
        "kept_at": at,
        "is_paid": False,
        "is_accepted": False,
    }
    # A job that was purged meanwhile leaves nothing behind.
    row = select(*(literal(value, answers.c[name].type) for name, value in values.items()))
    insert = upsert(connection, answers).from_select(list(values), row.where(exists().where(jobs.c.id == job_id)))
    changed = {name: insert.excluded[name] for name in values if name not in ("tenant_id", "digest")}
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["tenant_id", "digest"], set_=changed, where=answers.c.is_accepted == false()
        )
    )


def judge(connection: Connection, spending: Spending) -> None:
    """Accept what an attempt had use for, and erase what it had none for."""
    if not spending.answers:
        return
    had = _these(spending.tenant_id, spending.answers)
    match spending.accepts:
        case True:
            connection.execute(update(answers).where(had).values(is_paid=True, is_accepted=True))
        case False:
            connection.execute(delete(answers).where(had))
        case None:
            connection.execute(update(answers).where(had).values(is_paid=True))


def forget(connection: Connection, before: datetime) -> int:
    return connection.execute(delete(answers).where(answers.c.kept_at < before)).rowcount


def _these(tenant_id: str, digests: tuple[str, ...]) -> ColumnElement[bool]:
    return and_(answers.c.tenant_id == tenant_id, answers.c.digest.in_(digests))
