"""Rows to values and back."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row

from pipeline.ids import WHOLE, Claim, StageKey
from pipeline.job import (
    FIRST_RUN,
    Attempt,
    Grant,
    Job,
    JobError,
    JobSource,
    JobState,
    NewJob,
    StageRecord,
    StageState,
    Suspect,
)
from stages.contract import Options

AnyRow = Row[*tuple[Any, ...]]
Values = dict[str, Any]


# to the database


def job_values(new: NewJob) -> Values:
    return {
        "id": new.id,
        "tenant_id": new.tenant_id,
        "pipeline": new.pipeline,
        "stages": list(new.stages),
        "source": source_document(new.source),
        "options": new.options.model_dump(mode="json"),
        "lane": new.lane,
        "state": JobState.QUEUED,
        "run": FIRST_RUN,
        "created_at": new.created_at,
        "deadline_at": new.deadline_at,
    }


def run_values(new: NewJob) -> Values:
    return {
        "job_id": new.id,
        "run": FIRST_RUN,
        "tenant_id": new.tenant_id,
        "state": JobState.QUEUED,
        "created_at": new.created_at,
        "deadline_at": new.deadline_at,
    }


def stage_values(new: NewJob) -> list[Values]:
    """The stages of a new job; the first one is ready and counts as launched."""
    return [
        {
            "job_id": new.id,
            "run": FIRST_RUN,
            "stage": name,
            "part": WHOLE,
            "tenant_id": new.tenant_id,
            "position": position,
            "state": StageState.WAITING if position else StageState.READY,
            "epoch": 0,
            "attempts": 0,
            "losses": 0,
            "launches": 0 if position else 1,
            "is_launched": position == 0,
            "relaunches": 0,
            "not_before": 0.0,
        }
        for position, name in enumerate(new.stages)
    ]


def source_document(source: JobSource) -> Values:
    return {**asdict(source), "body": claim_document(source.body)}


def claim_document(claim: Claim | None) -> Values | None:
    return None if claim is None else claim.as_dict()


def error_document(error: JobError | None) -> Values | None:
    return None if error is None else asdict(error)


# from the database


def job_from(row: AnyRow, stages: Iterable[StageRecord] = ()) -> Job:
    return Job(
        id=row.id,
        tenant_id=row.tenant_id,
        pipeline=row.pipeline,
        stage_names=tuple(row.stages),
        source=source_from(row.source),
        options=Options.model_validate(row.options),
        lane=row.lane,
        state=row.state,
        run=row.run,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        deadline_at=row.deadline_at,
        error=error_from(row.error),
        result=claim_from(row.result),
        stages=tuple(stages),
    )


def stage_from(row: AnyRow, tries: Iterable[Attempt] = ()) -> StageRecord:
    return StageRecord(
        stage=row.stage,
        position=row.position,
        part=row.part,
        state=row.state,
        attempts=row.attempts,
        losses=row.losses,
        launches=row.launches,
        started_at=row.started_at,
        finished_at=row.finished_at,
        duration_s=row.duration_s,
        not_before_s=row.not_before,
        claim=claim_from(row.claim),
        error=error_from(row.error),
        tries=tuple(tries),
    )


def attempt_from(row: AnyRow) -> Attempt:
    return Attempt(
        epoch=row.epoch,
        started_at=row.started_at,
        finished_at=row.finished_at,
        outcome=row.outcome,
        duration_s=row.duration_s,
        error=error_from(row.error),
    )


def suspect_from(row: AnyRow) -> Suspect:
    return Suspect(
        key=StageKey(row.job_id, row.run, row.stage, row.part),
        tenant_id=row.tenant_id,
        stages=tuple(row.stages),
        lane=row.lane,
        launches=row.launches,
        losses=row.losses,
        epoch=row.epoch,
    )


def grant_from(key: StageKey, job: AnyRow, taken: AnyRow, done: Sequence[StageRecord]) -> Grant:
    return Grant(
        key=key,
        epoch=taken.epoch,
        attempts=taken.attempts,
        losses=taken.losses,
        parked_s=0.0 if taken.parked_since is None else taken.now_s - taken.parked_since,
        tenant_id=job.tenant_id,
        pipeline=job.pipeline,
        source=source_from(job.source),
        options=Options.model_validate(job.options),
        lane=job.lane,
        created_at=job.created_at,
        deadline_at=job.deadline_at,
        done=tuple(done),
    )


def source_from(document: Values) -> JobSource:
    return JobSource(**{**document, "body": claim_from(document["body"])})


def claim_from(document: Values | None) -> Claim | None:
    return None if document is None else Claim.from_dict(document)


def error_from(document: Values | None) -> JobError | None:
    return None if document is None else JobError(**document)
