"""Reading jobs."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, and_, func, or_, select

from orchestration.storage import records_spending as spendings
from orchestration.storage.records_choosing import chosen, newest
from orchestration.storage.records_moves import spelled_out
from orchestration.storage.rows import AnyRow, attempt_from, job_from, past_run_from, run_from, stage_from
from orchestration.storage.schema import attempts, jobs, runs, stages
from pipeline.errors import JobNotFound
from pipeline.ids import WHOLE, canonical_uuid
from pipeline.job import FIRST_RUN, RECENT_TRIES, Attempt, Job, JobState, PartCount, StageRecord, StageState
from pipeline.pages import Page
from pipeline.ports import JobFilter, Tally
from pipeline.runs import RunSummary
from pipeline.spending import NOTHING, Spent, total

TERMINAL = [state for state in JobState if state.is_terminal]
UNFINISHED = [state for state in JobState if not state.is_terminal]

AttemptsSpent = Mapping[tuple[int, str, int, int], Spent]
"""By run, stage, part and epoch."""


def known_job(connection: Connection, tenant_id: str, job_id: str) -> Job:
    found = job(connection, tenant_id, job_id)
    if found is None:
        raise JobNotFound(job_id)
    return found


def job(connection: Connection, tenant_id: str, job_id: str, run: int | None = None) -> Job | None:
    known_id = canonical_uuid(job_id)
    if known_id is None:
        return None
    row = connection.execute(select(jobs).where(jobs.c.id == known_id, jobs.c.tenant_id == tenant_id)).first()
    if row is None:
        return None
    number = row.run if run is None else run
    if not 0 < number <= row.run:
        return None
    spent = spendings.of_job(connection, row.id)
    records = _stages(connection, row.id, number, spent)
    found = job_from(row, records) if number == row.run else _past_run(connection, row, number, records)
    return replace(found, spent=total(spent.values()))


def _past_run(connection: Connection, row: AnyRow, number: int, records: list[StageRecord]) -> Job:
    run = connection.execute(select(runs).where(runs.c.job_id == row.id, runs.c.run == number)).one()
    return past_run_from(row, run, records)


def all_runs(connection: Connection, tenant_id: str, job_id: str) -> tuple[RunSummary, ...]:
    of_job = select(runs).where(runs.c.job_id == canonical_uuid(job_id), runs.c.tenant_id == tenant_id)
    return tuple(run_from(row) for row in connection.execute(of_job.order_by(runs.c.run)))


def _stages(connection: Connection, job_id: str, run: int, spent: AttemptsSpent) -> list[StageRecord]:
    """As wholes."""
    of_run = select(stages).where(stages.c.job_id == job_id, stages.c.run == run, stages.c.part == WHOLE)
    tries = _tries(connection, job_id, run, spent)
    rows = connection.execute(of_run.order_by(stages.c.position)).all()
    levels = {row.stage: row.level for row in rows if row.level}
    counts = _part_counts(connection, job_id, run, levels) if levels else {}
    return [stage_from(row, tries[row.stage], counts.get(row.stage)) for row in rows]


def _part_counts(connection: Connection, job_id: str, run: int, levels: Mapping[str, int]) -> dict[str, PartCount]:
    """Of the latest splitting of each stage."""
    done = func.count().filter(stages.c.state == StageState.SUCCEEDED)
    latest = or_(*(and_(stages.c.stage == stage, stages.c.level == level) for stage, level in levels.items()))
    parts = select(stages.c.stage, done, func.count()).where(
        stages.c.job_id == job_id, stages.c.run == run, stages.c.part != WHOLE, latest
    )
    rows = connection.execute(parts.group_by(stages.c.stage))
    return {stage: PartCount(done, total) for stage, done, total in rows}


def _tries(connection: Connection, job_id: str, run: int, spent: AttemptsSpent) -> dict[str, list[Attempt]]:
    same_stage = and_(*(stages.c[name] == attempts.c[name] for name in ("job_id", "run", "stage", "part")))
    recent = (
        select(attempts)
        .join(stages, same_stage)
        .where(attempts.c.job_id == job_id, attempts.c.run == run, attempts.c.part == WHOLE)
        .where(attempts.c.epoch > stages.c.epoch - RECENT_TRIES)
        .order_by(attempts.c.epoch)
    )
    tries: dict[str, list[Attempt]] = defaultdict(list)
    for row in connection.execute(recent):
        known = spent.get((run, row.stage, row.part, row.epoch), NOTHING)
        tries[row.stage].append(replace(attempt_from(row), spent=known))
    return tries


def page(connection: Connection, tenant_id: str, where: JobFilter, before: str | None, limit: int) -> Page[Job]:
    ceiling = None if before is None else canonical_uuid(before)
    if ceiling is None and before is not None:
        return Page((), more=False)
    rows = newest(connection, tenant_id, where, before=ceiling, limit=limit + 1)
    return Page(tuple(job_from(row) for row in rows[:limit]), more=len(rows) > limit)


def tally(connection: Connection) -> Tally:
    unfinished = select(jobs.c.state, func.count().label("jobs")).where(jobs.c.state.in_(spelled_out(UNFINISHED)))
    # The index of jobs with an error is partial.
    dead = select(jobs.c.error_code, jobs.c.error_stage, func.count()).where(
        jobs.c.error_code.is_not(None), jobs.c.state == JobState.FAILED, jobs.c.discarded_at.is_(None)
    )
    letters = connection.execute(dead.group_by(jobs.c.error_code, jobs.c.error_stage))
    return Tally(
        unfinished={row.state: row.jobs for row in connection.execute(unfinished.group_by(jobs.c.state))},
        dead_letters={(code, stage or ""): count for code, stage, count in letters},
        spent=spendings.by_model(connection),
    )


def done_before(connection: Connection, tenant_id: str, likeness: str, since: datetime) -> Job | None:
    alike = select(jobs).where(jobs.c.tenant_id == tenant_id, jobs.c.likeness == likeness)
    done = alike.where(jobs.c.state == spelled_out(JobState.SUCCEEDED), jobs.c.finished_at >= since)
    # A later run may have had other options.
    row = connection.execute(
        done.where(jobs.c.run == FIRST_RUN).order_by(jobs.c.finished_at.desc(), jobs.c.id.desc()).limit(1)
    ).first()
    return None if row is None else job_from(row)


def endings(connection: Connection, after: datetime, before: datetime, beyond: str | None, limit: int) -> list[Job]:
    in_time = and_(jobs.c.state.in_(spelled_out(TERMINAL)), jobs.c.finished_at.between(after, before))
    # The index is partial.
    ended = select(jobs).where(jobs.c.finished_at.is_not(None), in_time)
    if beyond is not None:
        ended = ended.where(or_(jobs.c.finished_at > after, jobs.c.id > beyond))
    rows = connection.execute(ended.order_by(jobs.c.finished_at, jobs.c.id).limit(limit))
    return [job_from(row) for row in rows]


def count(connection: Connection, tenant_id: str, where: JobFilter) -> int:
    return connection.scalar(chosen([func.count()], tenant_id, where)) or 0
