"""Rows to values and back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Row

from pipeline.ids import WHOLE, Claim, StageKey
from pipeline.job import (
    FIRST_RUN,
    Attempt,
    Job,
    JobError,
    JobSource,
    JobState,
    Lane,
    NewJob,
    PartCount,
    StageRecord,
    StageState,
)
from pipeline.runs import NewRun, RunOrigin, RunSummary
from pipeline.shares import flow_of
from pipeline.terms import JobTerms
from pipeline.urls import host_of, searched_form
from pipeline.work import Grant, Suspect
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
        "options": options_document(new.options),
        "lane": new.lane,
        "state": JobState.QUEUED,
        "run": FIRST_RUN,
        "created_at": new.created_at,
        "deadline_at": new.deadline_at,
        "host": None if new.source.url is None else host_of(new.source.url),
        "url": None if new.source.url is None else searched_form(new.source.url),
        "batch_id": new.batch_id,
        "batch_index": new.batch_index,
        "likeness": new.likeness,
        **_terms_values(new.terms),
    }


def tag_values(new: NewJob) -> list[Values]:
    """The tags of a new job, to be searched for."""
    return [{"tenant_id": new.tenant_id, "tag": tag, "job_id": new.id} for tag in new.terms.tags]


def _terms_values(terms: JobTerms) -> Values:
    return {
        "tags": list(terms.tags),
        "metadata": dict(terms.metadata),
        "not_before": terms.not_before,
        "max_attempts": terms.max_attempts,
        "webhook_id": terms.webhook_id,
    }


def run_values(new: NewJob) -> Values:
    return {
        "job_id": new.id,
        "run": FIRST_RUN,
        "tenant_id": new.tenant_id,
        "state": JobState.QUEUED,
        "created_at": new.created_at,
        "deadline_at": new.deadline_at,
        "origin": RunOrigin.SUBMIT,
        "lane": new.lane,
        "options": options_document(new.options),
    }


def stage_values(new: NewJob, *, is_launched: bool) -> list[Values]:
    """The stages of a new job; the first one is ready and counts as launched, or waits to be admitted."""
    return [
        _stage_values(new.id, FIRST_RUN, new.tenant_id, name, position, is_first=is_launched and position == 0)
        for position, name in enumerate(new.stages)
    ]


def held_values(new: NewJob, delay_s: float) -> Values:
    """A new job that waits to be admitted."""
    return {
        "job_id": new.id,
        "run": FIRST_RUN,
        "tenant_id": new.tenant_id,
        "lane": new.lane,
        "flow": flow_of(new.pipeline, new.batch_id),
        "batch_id": new.batch_id,
        "stage": new.stages[0],
        "delay_s": delay_s,
    }


def held_rerun_values(job: Job, lane: Lane, start: int) -> Values:
    """The next run of a job, which waits to be admitted."""
    return {
        "job_id": job.id,
        "run": job.run + 1,
        "tenant_id": job.tenant_id,
        "lane": lane,
        "flow": flow_of(job.pipeline, run=job.run + 1),
        "batch_id": None,
        "stage": job.stage_names[start],
        "delay_s": 0.0,
    }


def new_run_values(job: Job, new: NewRun, start: int, options: Options) -> Values:
    """The run after a job's current one, from the stage at this position."""
    return {
        "job_id": job.id,
        "run": job.run + 1,
        "tenant_id": job.tenant_id,
        "state": JobState.QUEUED,
        "created_at": new.at,
        "deadline_at": new.deadline_at,
        "origin": new.origin,
        "from_stage": job.stage_names[start],
        "lane": new.lane or job.lane,
        "options": options_document(options),
    }


def rerun_stage_values(job: Job, start: int, *, is_launched: bool) -> list[Values]:
    """The stages that the next run of a job runs; the first of them as with those of a new job."""
    return [
        _stage_values(job.id, job.run + 1, job.tenant_id, name, position, is_first=is_launched and position == start)
        for position, name in enumerate(job.stage_names)
        if position >= start
    ]


def copied_stage_values(job: Job, start: int) -> list[Values]:
    """The stages that the next run of a job takes over from this one."""
    return [
        {
            **_nothing_done(job.id, job.run + 1, job.tenant_id, done.stage, done.position),
            "part": done.part,
            "state": StageState.SUCCEEDED,
            "attempts": done.attempts,
            "started_at": done.started_at,
            "finished_at": done.finished_at,
            "duration_s": done.duration_s,
            "claim": claim_document(done.claim),
        }
        for done in job.stages
        if done.position < start
    ]


def _stage_values(job_id: str, run: int, tenant_id: str, name: str, position: int, *, is_first: bool) -> Values:
    return {
        **_nothing_done(job_id, run, tenant_id, name, position),
        "state": StageState.READY if is_first else StageState.WAITING,
        "launches": int(is_first),
        "is_launched": is_first,
    }


def _nothing_done(job_id: str, run: int, tenant_id: str, name: str, position: int) -> Values:
    return {
        "job_id": job_id,
        "run": run,
        "stage": name,
        "part": WHOLE,
        "tenant_id": tenant_id,
        "position": position,
        "epoch": 0,
        "attempts": 0,
        "losses": 0,
        "launches": 0,
        "relaunches": 0,
        "not_before": 0.0,
        "reruns": 0,
        "stale_writes": 0,
        "level": 0,
    }


def part_values(
    whole: AnyRow, first: int, inputs: Sequence[Claim], done: Mapping[str, AnyRow], at_once: int
) -> list[Values]:
    """The parts that a stage is split into, numbered from `first`.

    Those whose input has been read before, with success, take that over: `done` has them by the hash of the input. The
    first `at_once` of the others are ready and count as launched.
    """
    rows: list[Values] = []
    for number, claim in enumerate(inputs, start=first):
        alike = done.get(claim.sha256)
        is_launched = alike is None and at_once > 0
        at_once -= is_launched
        rows.append(
            {
                **_nothing_done(whole.job_id, whole.run, whole.tenant_id, whole.stage, whole.position),
                **(_took_over(alike) if alike is not None else _to_be_done(is_launched=is_launched)),
                "part": number,
                "level": whole.level,
                "input": claim_document(claim),
                "is_launched": is_launched,
            }
        )
    return rows


def _took_over(alike: AnyRow) -> Values:
    names = ("state", "attempts", "started_at", "finished_at", "duration_s", "claim")
    return {"launches": 0, **{name: getattr(alike, name) for name in names}}


def _to_be_done(*, is_launched: bool) -> Values:
    nothing = {"attempts": 0, "started_at": None, "finished_at": None, "duration_s": None, "claim": None}
    return {"state": StageState.READY if is_launched else StageState.WAITING, "launches": int(is_launched), **nothing}


def options_document(options: Options) -> Values:
    return options.model_dump(mode="json")


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
        discarded_at=row.discarded_at,
        terms=JobTerms(tuple(row.tags), row.metadata, row.not_before, row.max_attempts, row.webhook_id),
        batch_id=row.batch_id,
        batch_index=row.batch_index,
    )


def past_run_from(job: AnyRow, run: AnyRow, stages: Iterable[StageRecord]) -> Job:
    """A job as it was in a run before the current one."""
    return replace(
        job_from(job, stages),
        run=run.run,
        options=Options.model_validate(run.options),
        state=run.state,
        started_at=run.started_at,
        finished_at=run.finished_at,
        deadline_at=run.deadline_at,
        error=error_from(run.error),
        result=claim_from(run.result),
        discarded_at=None,
    )


def run_from(row: AnyRow) -> RunSummary:
    return RunSummary(
        run=row.run,
        state=row.state,
        origin=row.origin,
        from_stage=row.from_stage,
        lane=row.lane,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        error=error_from(row.error),
        has_result=row.result is not None,
    )


def stage_from(row: AnyRow, tries: Iterable[Attempt] = (), parts: PartCount | None = None) -> StageRecord:
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
        reruns=row.reruns,
        stale_writes=row.stale_writes,
        tries=tuple(tries),
        parts=parts,
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


def grant_from(
    key: StageKey, job: AnyRow, taken: AnyRow, done: Sequence[StageRecord], results: Sequence[Claim]
) -> Grant:
    return Grant(
        key=key,
        epoch=taken.epoch,
        attempts=taken.attempts,
        losses=taken.losses,
        parked_s=0.0 if taken.parked_since is None else taken.now_s - taken.parked_since,
        tenant_id=job.tenant_id,
        pipeline=job.pipeline,
        stages=tuple(job.stages),
        source=source_from(job.source),
        options=Options.model_validate(job.options),
        lane=job.lane,
        created_at=job.created_at,
        deadline_at=job.deadline_at,
        done=tuple(done),
        max_attempts=job.max_attempts,
        batch_id=job.batch_id,
        not_before=job.not_before,
        level=taken.level,
        part_input=claim_from(taken.input),
        results=tuple(results),
    )


def source_from(document: Values) -> JobSource:
    return JobSource(**{**document, "body": claim_from(document["body"])})


def claim_from(document: Values | None) -> Claim | None:
    return None if document is None else Claim.from_dict(document)


def error_from(document: Values | None) -> JobError | None:
    return None if document is None else JobError(**document)
