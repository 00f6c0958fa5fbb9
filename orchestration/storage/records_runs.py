"""Opening another run of a finished job."""

from sqlalchemy import Connection, bindparam, insert, update

from orchestration.storage import records_keys as keys
from orchestration.storage import records_shares as shares
from orchestration.storage import records_tenants as tenants
from orchestration.storage.records_jobs import INSERT_STAGE
from orchestration.storage.records_moves import of_run, require_job
from orchestration.storage.records_reading import known_job
from orchestration.storage.rows import (
    copied_stage_values,
    held_rerun_values,
    new_run_values,
    options_document,
    rerun_stage_values,
)
from orchestration.storage.schema import jobs, runs, stages
from pipeline.idempotency import IdempotencyKey
from pipeline.job import Job, JobState
from pipeline.runs import NewRun, first_to_run
from pipeline.shares import flow_of
from pipeline.tenants import UNLIMITED, Allowance

_REOPEN = (
    update(jobs)
    .where(
        jobs.c.id == bindparam("this_job"),
        jobs.c.run == bindparam("this_run"),
        jobs.c.state.in_([state for state in JobState if state.is_terminal]),
    )
    .values(
        state=JobState.QUEUED,
        run=jobs.c.run + 1,
        started_at=None,
        finished_at=None,
        error=None,
        error_code=None,
        error_stage=None,
        result=None,
        discarded_at=None,
        forgotten_at=None,
    )
)


def open_run(
    connection: Connection,
    tenant_id: str,
    job_id: str,
    new: NewRun,
    key: IdempotencyKey | None = None,
    *,
    allowed: Allowance = UNLIMITED,
) -> Job:
    locked = require_job(connection, tenant_id, job_id)
    keys.use(connection, key, locked.id, locked.run + 1, new.at)
    earlier = known_job(connection, tenant_id, job_id)
    start = first_to_run(earlier, new.from_stage)
    tenants.require_room_for_job(connection, tenant_id, allowed)
    options, lane = new.options or earlier.options, new.lane or earlier.lane
    flow = flow_of(earlier.pipeline, run=earlier.run + 1)
    is_launched = shares.has_room(connection, tenant_id, lane, flow)
    connection.execute(insert(runs), new_run_values(earlier, new, start, options))
    if start > 0:
        connection.execute(insert(stages), copied_stage_values(earlier, start))
    connection.execute(INSERT_STAGE, rerun_stage_values(earlier, start, is_launched=is_launched))
    if not is_launched:
        shares.hold(connection, [held_rerun_values(earlier, lane, start)])
    asked_for = {"deadline_at": new.deadline_at, "options": options_document(options)}
    connection.execute(_REOPEN, {**asked_for, **of_run(earlier.id, earlier.run)})
    return known_job(connection, tenant_id, job_id)
