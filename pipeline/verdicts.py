"""What the records decide by rule: why a claim is refused, and what is said when a job is given up."""

from dataclasses import replace

from pipeline.job import MAX_LOSSES, Job, JobError, JobState, StageRecord, StageState
from pipeline.work import Refusal, Refused


def why_refused(job: Job | None, stage: StageRecord | None, *, run: int, now_s: float) -> Refused:
    """Why a stage could not be claimed; `now_s` is epoch seconds on the record's own clock."""
    if job is None or stage is None or job.run != run:
        return Refused(Refusal.OVER)
    if JobState.CANCELLED is job.state or StageState.CANCELLED is stage.state:
        return Refused(Refusal.CANCELLED)
    match stage.state:
        case StageState.SUCCEEDED:
            return Refused(Refusal.FINISHED, claim=stage.claim, job=replace(job, stages=()))
        case StageState.RUNNING:
            return Refused(Refusal.OWNED)
        case StageState.READY:
            return Refused(Refusal.NOT_DUE, delay_s=max(0.0, stage.not_before_s - now_s))
        case _:
            return Refused(Refusal.SPLIT if stage.state is StageState.SPLIT else Refusal.OVER)


def worker_lost(stage: str, losses: int) -> JobError:
    """The error of an attempt whose worker died; `losses` are those that count, this one included unless a whole stack
    died with it.

    >>> worker_lost("extract", 1).message
    'The worker running "extract" died or was cut off.'
    >>> worker_lost("extract", 3).message
    'Workers died or were cut off 3 times while running "extract"; the job was given up.'
    """
    if losses < MAX_LOSSES:
        return JobError("worker_lost", f'The worker running "{stage}" died or was cut off.', stage)
    message = f'Workers died or were cut off {losses} times while running "{stage}"; the job was given up.'
    return JobError("worker_lost", message, stage)


def deadline_exceeded(stage: str) -> JobError:
    """The error of a job whose deadline passed before this stage was done.

    >>> deadline_exceeded("fetch").message
    'The deadline of the job passed before "fetch" was done.'
    """
    return JobError("deadline_exceeded", f'The deadline of the job passed before "{stage}" was done.', stage)
