"""Forgetting what is older than it has to be kept: outputs, then whole jobs."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from itertools import chain

from sqlalchemy import Connection, and_, bindparam, delete, or_, select, update

from orchestration.storage.records_moves import IS_STAGE, locked_job, of_key, require_job, spelled_out
from orchestration.storage.records_reading import known_job
from orchestration.storage.rows import claim_from
from orchestration.storage.schema import jobs, runs, stages
from pipeline.errors import JobUnfinished
from pipeline.ids import Claim, StageKey, canonical_uuid
from pipeline.job import Job, JobState
from pipeline.ports import Retention

IDS_AT_ONCE = 500

_TERMINAL = [state for state in JobState if state.is_terminal]
_UNFORGOTTEN = (
    select(jobs.c.id)
    .where(jobs.c.state == spelled_out(JobState.SUCCEEDED), jobs.c.forgotten_at.is_(None))
    .where(jobs.c.finished_at <= bindparam("until"))
    .order_by(jobs.c.finished_at)
    .limit(bindparam("limit"))
)
_FINISHED = (
    select(jobs.c.tenant_id, jobs.c.id)
    .where(jobs.c.state == bindparam("state"), jobs.c.finished_at <= bindparam("until"))
    .order_by(jobs.c.finished_at)
    .limit(bindparam("limit"))
)
_RESULTS = select(runs.c.result).where(runs.c.job_id == bindparam("this_job"), runs.c.result.is_not(None))
_OUTPUTS = select(stages).where(stages.c.job_id == bindparam("this_job"), stages.c.claim.is_not(None))
_INPUTS = select(stages.c.input).where(stages.c.job_id == bindparam("this_job"), stages.c.input.is_not(None))
_FORGET_OUTPUT = update(stages).where(IS_STAGE).values(claim=None)
_FORGET_INPUTS = update(stages).where(stages.c.job_id == bindparam("this_job")).values(input=None)


# outputs


def unforgotten(connection: Connection, until: datetime, limit: int) -> list[str]:
    """Ids of jobs that succeeded until then and whose intermediate outputs are kept, the oldest first."""
    return list(connection.scalars(_UNFORGOTTEN, {"until": until, "limit": limit}))


def forget_outputs(connection: Connection, job_id: str, until: datetime, at: datetime) -> list[Claim]:
    """Forget all that one succeeded job keeps, but for results; returns what nothing refers to any more."""
    job = locked_job(connection, job_id)
    if job is None or job.state is not JobState.SUCCEEDED or job.forgotten_at or job.finished_at > until:
        return []
    results = {result["key"] for result in connection.scalars(_RESULTS, {"this_job": job_id})}
    outputs = [row for row in connection.execute(_OUTPUTS, {"this_job": job_id}) if row.claim["key"] not in results]
    inputs = connection.scalars(_INPUTS, {"this_job": job_id}).all()
    if inputs:
        connection.execute(_FORGET_INPUTS, {"this_job": job_id})
    for row in outputs:
        connection.execute(_FORGET_OUTPUT, of_key(StageKey(job_id, row.run, row.stage, row.part)))
    connection.execute(
        update(jobs).where(jobs.c.id == job_id).values(forgotten_at=at, source={**job.source, "body": None})
    )
    return _distinct(
        claim_from(document) for document in (job.source["body"], *(row.claim for row in outputs), *inputs)
    )


def _distinct(claims: Iterable[Claim | None]) -> list[Claim]:
    """A run holds the claims of the run before for what it took over."""
    return list({claim.key: claim for claim in claims if claim is not None}.values())


# jobs


def expired(connection: Connection, at: datetime, older: Retention, limit: int) -> list[tuple[str, str]]:
    """Tenants and ids of finished jobs that need not be kept."""
    found = (
        connection.execute(_FINISHED, {"state": state, "until": until, "limit": limit})
        for state, until in _ends(at, older).items()
    )
    return [(row.tenant_id, row.id) for row in chain.from_iterable(found)][:limit]


def purge_expired(connection: Connection, job_id: str, at: datetime, older: Retention) -> bool:
    """Found by a statement of long ago: the one that erases looks at state and age itself."""
    expired = (and_(jobs.c.state == state, jobs.c.finished_at <= until) for state, until in _ends(at, older).items())
    return connection.execute(delete(jobs).where(jobs.c.id == job_id, or_(*expired))).rowcount > 0


def _ends(at: datetime, older: Retention) -> dict[JobState, datetime]:
    """Until when a job has to have ended, by how it did, to be kept no more."""
    return {state: at - timedelta(seconds=older.kept_s(state)) for state in _TERMINAL}


def purge(connection: Connection, tenant_id: str, job_id: str) -> Job:
    job = require_job(connection, tenant_id, job_id)
    if not job.state.is_terminal:
        raise JobUnfinished(job_id, job.state)
    purged = known_job(connection, tenant_id, job_id)
    connection.execute(delete(jobs).where(jobs.c.id == job.id, jobs.c.state.in_(_TERMINAL)))
    return purged


def known(connection: Connection, ids: Collection[str]) -> set[str]:
    """Which of these are ids of jobs."""
    plausible = [job_id for job_id in ids if canonical_uuid(job_id) == job_id]
    batches = (plausible[start : start + IDS_AT_ONCE] for start in range(0, len(plausible), IDS_AT_ONCE))
    return {job_id for batch in batches for job_id in connection.scalars(select(jobs.c.id).where(jobs.c.id.in_(batch)))}
