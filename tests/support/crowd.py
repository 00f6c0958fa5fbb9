"""A great many jobs, put into a database directly, as a year of work would leave them: most have succeeded long ago."""

from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, create_engine, insert, text

from orchestration.storage.rows import error_document, job_values, run_values, stage_values, tag_values
from orchestration.storage.schema import job_tags, jobs, runs, stages
from pipeline.ids import uuid7
from pipeline.job import JobError, JobSource, JobState, Lane, NewJob, StageState
from pipeline.terms import JobTerms
from stages.contract import Options
from tests.support.jobs import TENANT
from tests.support.tools import START

STAGES = ("fetch", "extract", "store")
PLACES: dict[JobState, StageState] = {
    JobState.QUEUED: StageState.READY,
    JobState.RUNNING: StageState.RUNNING,
    JobState.FAILED: StageState.FAILED,
    JobState.CANCELLED: StageState.CANCELLED,
}
STATES = (*[JobState.SUCCEEDED] * 90, *[JobState.FAILED] * 8, JobState.CANCELLED, JobState.QUEUED)
HOSTS = 100
BATCHED = 200
"""Jobs of one batch; as many between two batches came one by one."""
ONE_IN = 1000
"""How rare what is called rare is."""
GAP = timedelta(milliseconds=30)
BATCH = 2000

Row = dict[str, Any]


def fill(url: str, number: int) -> None:
    """Put this many jobs into an empty database, and have it look at its tables."""
    engine, random = create_engine(url), Random(5)
    for start in range(0, number, BATCH):
        with engine.begin() as connection:
            _insert(connection, [_job(each, random) for each in range(start, min(start + BATCH, number))], random)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


def batch_of(number: int) -> str:
    """The id of the batch that a job came with."""
    return str(UUID(int=number // BATCHED))


def _job(number: int, random: Random) -> NewJob:
    is_rare = number % ONE_IN == ONE_IN // 2
    created_at = START + number * GAP
    host = "rare.example" if is_rare else f"host-{random.randrange(HOSTS)}.example"
    return NewJob(
        id=str(uuid7(created_at, random)),
        tenant_id=TENANT,
        pipeline="analyze" if is_rare else random.choice(["extract", "summarize"]),
        stages=STAGES,
        source=JobSource(url=f"https://{host}/{random.randrange(10)}/{number}"),
        options=Options(),
        lane=Lane.URGENT if is_rare else random.choice([Lane.NORMAL, Lane.BULK]),
        created_at=created_at,
        deadline_at=created_at + timedelta(days=1),
        terms=JobTerms(("rare", "common") if is_rare else ("common",) if number % 2 else ()),
        batch_id=batch_of(number) if number // BATCHED % 2 else None,
    )


def _insert(connection: Connection, new: list[NewJob], random: Random) -> None:
    job_rows: list[Row] = []
    run_rows: list[Row] = []
    stage_rows: list[Row] = []
    for job in new:
        is_rare = "rare" in job.terms.tags
        state = JobState.RUNNING if is_rare else random.choice(STATES)
        end = _end(job, state, random)
        job_rows.append({**job_values(job), **end})
        run_rows.append({**run_values(job), **{name: end[name] for name in ("state", "finished_at", "error")}})
        stage_rows += _stages(job, state, STAGES.index("store" if is_rare else end["error_stage"] or "fetch"))
    connection.execute(insert(jobs), job_rows)
    connection.execute(insert(runs), run_rows)
    connection.execute(insert(stages), stage_rows)
    connection.execute(insert(job_tags), [row for job in new for row in tag_values(job)])


def _end(job: NewJob, state: JobState, random: Random) -> Row:
    error = JobError(random.choice(["dns_failure", "http_gone"]), "No.", random.choice(STAGES[:2]))
    shown = error if state is JobState.FAILED else None
    return {
        "state": state,
        "finished_at": job.created_at if state.is_terminal else None,
        "error": error_document(shown),
        "error_code": shown and shown.code,
        "error_stage": shown and shown.stage,
    }


def _stages(job: NewJob, state: JobState, place: int) -> list[Row]:
    rows = stage_values(job, is_launched=True)
    for position, row in enumerate(rows):
        del row["is_launched"]
        row["state"] = StageState.SUCCEEDED if state is JobState.SUCCEEDED or position < place else StageState.WAITING
        if position == place and state in PLACES:
            row["state"] = PLACES[state]
    return rows
