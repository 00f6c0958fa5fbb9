"""The runs of a job: a finished job may be run again, from any of its stages whose input is still kept."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pipeline.errors import InputExpired, JobFinished, JobUnfinished, UnknownStage
from pipeline.job import Job, JobError, JobState, Lane, StageState
from stages.contract import Options


class RunOrigin(StrEnum):
    """Why there is a run."""

    SUBMIT = "submit"
    RETRY = "retry"
    """Of a job that failed or was cancelled, where it stopped."""
    REPLAY = "replay"
    """From a stage that was asked for."""


@dataclass(frozen=True, slots=True)
class NewRun:
    """Another run of a job, as it is asked for."""

    from_stage: str | None
    """None for the stage that failed, or the first that was not done when the job was cancelled."""
    options: Options | None
    """None for those of the run before."""
    deadline_at: datetime
    at: datetime
    lane: Lane | None = None
    """None for the one that the job was submitted with."""

    @property
    def origin(self) -> RunOrigin:
        return RunOrigin.RETRY if self.from_stage is None else RunOrigin.REPLAY


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run of a job, without its stages."""

    run: int
    state: JobState
    origin: RunOrigin
    from_stage: str | None
    """The stage it began at; None for the first run."""
    lane: Lane
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: JobError | None
    has_result: bool


def first_to_run(job: Job, from_stage: str | None) -> int:
    """Position of the stage that another run of this job begins at. `job` carries its stages.

    Raises `JobUnfinished`; `JobFinished` when the job succeeded and no stage is named; `UnknownStage` when the
    named one is not of this job; `InputExpired` when what the stage would read is not there.
    """
    if not job.state.is_terminal:
        raise JobUnfinished(job.id, job.state)
    position = _stopped_at(job) if from_stage is None else _position_of(job, from_stage)
    if not _can_run(job, position):
        runnable = [name for place, name in enumerate(job.stage_names) if _can_run(job, place)]
        raise InputExpired(job.stage_names[position], runnable[0] if runnable else None)
    return position


def _stopped_at(job: Job) -> int:
    if job.state is JobState.SUCCEEDED:
        raise JobFinished(job.id, job.state)
    return min(stage.position for stage in job.stages if stage.state is not StageState.SUCCEEDED)


def _position_of(job: Job, stage: str) -> int:
    if stage not in job.stage_names:
        raise UnknownStage(stage, job.stage_names)
    return job.stage_names.index(stage)


def _can_run(job: Job, position: int) -> bool:
    """Whether all that a run from here reads is kept."""
    if position == 0:
        return job.source.url is not None or job.source.body is not None
    return all(stage.claim is not None for stage in job.stages if stage.position < position)
