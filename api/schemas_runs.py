"""What goes in and out of the HTTP API about the runs of a job."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import ErrorView, StageName, job_url, result_url
from pipeline.job import JobState, Lane
from pipeline.runs import RunOrigin, RunSummary
from stages.contract import Options


class ReplayRequest(BaseModel):
    """From which stage a finished job is to start again, and with which options."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"from": "summarize", "options": {"processing": "detailed"}}]},
    )

    from_stage: StageName = Field(alias="from", description="The stage to start again from.")
    options: Options | None = Field(default=None, description="Instead of those of the run before.")


class RunView(BaseModel):
    """One run of a job, without its stages."""

    run: int
    status: JobState
    origin: RunOrigin = Field(description="What opened it: `submit`, `retry` or `replay`.")
    from_stage: str | None = Field(description="The stage it began at; null for the first run.")
    lane: Lane = Field(description="That of the job, or `bulk` when a bulk action opened it.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: ErrorView | None
    url: str
    result_url: str | None = Field(description="Where its result is, if it has one.")

    @classmethod
    def of(cls, job_id: str, run: RunSummary) -> Self:
        return cls(
            run=run.run,
            status=run.state,
            origin=run.origin,
            from_stage=run.from_stage,
            lane=run.lane,
            created_at=run.created_at,
            started_at=run.started_at,
            finished_at=run.finished_at,
            error=ErrorView.of(run.error),
            url=f"{job_url(job_id)}?run={run.run}",
            result_url=result_url(job_id, run.run) if run.has_result else None,
        )


class RunList(BaseModel):
    """All runs of a job, in order."""

    items: list[RunView]

    @classmethod
    def of(cls, job_id: str, runs: tuple[RunSummary, ...]) -> Self:
        return cls(items=[RunView.of(job_id, run) for run in runs])
