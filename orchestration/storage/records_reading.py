"""Reading jobs."""

from collections import defaultdict

from sqlalchemy import Connection, and_, select

from orchestration.storage.rows import attempt_from, job_from, stage_from
from orchestration.storage.schema import attempts, jobs, stages
from pipeline.errors import JobNotFound
from pipeline.ids import canonical_uuid
from pipeline.job import RECENT_TRIES, Attempt, Job, JobState, StageRecord
from pipeline.ports import Page


def known_job(connection: Connection, tenant_id: str, job_id: str) -> Job:
    found = job(connection, tenant_id, job_id)
    if found is None:
        raise JobNotFound(job_id)
    return found


def job(connection: Connection, tenant_id: str, job_id: str) -> Job | None:
    known_id = canonical_uuid(job_id)
    if known_id is None:
        return None
    row = connection.execute(select(jobs).where(jobs.c.id == known_id, jobs.c.tenant_id == tenant_id)).first()
    return None if row is None else job_from(row, _stages(connection, row.id, row.run))


def _stages(connection: Connection, job_id: str, run: int) -> list[StageRecord]:
    of_run = select(stages).where(stages.c.job_id == job_id, stages.c.run == run)
    tries = _tries(connection, job_id, run)
    rows = connection.execute(of_run.order_by(stages.c.position, stages.c.part))
    return [stage_from(row, tries[row.stage, row.part]) for row in rows]


def _tries(connection: Connection, job_id: str, run: int) -> dict[tuple[str, int], list[Attempt]]:
    same_stage = and_(*(stages.c[name] == attempts.c[name] for name in ("job_id", "run", "stage", "part")))
    recent = (
        select(attempts)
        .join(stages, same_stage)
        .where(attempts.c.job_id == job_id, attempts.c.run == run, attempts.c.epoch > stages.c.epoch - RECENT_TRIES)
        .order_by(attempts.c.epoch)
    )
    tries: dict[tuple[str, int], list[Attempt]] = defaultdict(list)
    for row in connection.execute(recent):
        tries[row.stage, row.part].append(attempt_from(row))
    return tries


def page(connection: Connection, tenant_id: str, state: JobState | None, before: str | None, limit: int) -> Page:
    wanted = select(jobs).where(jobs.c.tenant_id == tenant_id)
    if state is not None:
        wanted = wanted.where(jobs.c.state == state)
    if before is not None:
        ceiling = canonical_uuid(before)
        if ceiling is None:
            return Page((), more=False)
        wanted = wanted.where(jobs.c.id < ceiling)
    rows = connection.execute(wanted.order_by(jobs.c.id.desc()).limit(limit + 1)).all()
    return Page(tuple(job_from(row) for row in rows[:limit]), more=len(rows) > limit)
