"""What goes out of the HTTP API about dead letters: failed jobs that nobody has discarded."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from api.criteria import Criteria
from api.schemas import AttemptView, PageQuery, job_url
from pipeline.ids import Claim
from pipeline.job import Job, JobState, Lane, StageRecord
from pipeline.pages import Page
from pipeline.ports import JobFilter


class LetterQuery(PageQuery, Criteria):
    """Which dead letters are to be listed."""

    def where(self) -> JobFilter:
        """The same in the words of the layer below."""
        return self.meant(JobState.FAILED, discarded=False)


class LetterSummary(BaseModel):
    """A dead letter in a listing."""

    job_id: str
    run: int
    code: str = Field(description="Stable; see the table of error codes.")
    reason: str
    stage: str | None = Field(description="The stage that failed.")
    retryable: bool = Field(description="Whether a retry could end differently.")
    failed_at: datetime | None
    created_at: datetime
    pipeline: str
    lane: Lane
    source_url: str | None
    url: str
    job_url: str

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls(**_common(job))


class ClaimView(BaseModel):
    """What the failed stage read."""

    key: str
    sha256: str
    size: int
    media_type: str

    @classmethod
    def of(cls, claim: Claim | None) -> Self | None:
        return None if claim is None else cls.model_validate(claim.as_dict())


class LetterView(LetterSummary):
    """A dead letter, with all that helps to find out why."""

    traceback: str | None = Field(description="Of a defect in the software.")
    attempts: int = Field(description="Attempts spent on the failed stage.")
    losses: int = Field(description="Workers that died while running it.")
    input: ClaimView | None = Field(description="What the failed stage read; null when that was the URL itself.")
    timeline: list[AttemptView] = Field(description="The latest attempts at the failed stage.")

    @classmethod
    def of(cls, job: Job) -> Self:
        failed = _failed_stage(job)
        return cls(
            **_common(job),
            traceback=job.error.traceback if job.error else None,
            attempts=failed.attempts if failed else 0,
            losses=failed.losses if failed else 0,
            input=ClaimView.of(_input(job, failed)),
            timeline=[AttemptView.of(attempt) for attempt in failed.tries] if failed else [],
        )


class LetterPage(BaseModel):
    """One page of dead letters, the newest job first."""

    items: list[LetterSummary]
    next: str | None = Field(description="Where the next page is; null on the last one.")

    @classmethod
    def of(cls, page: Page[Job], query: LetterQuery) -> Self:
        return cls(items=[LetterSummary.of(job) for job in page.items], next=query.after(page, "/v1/dead-letters"))


def is_dead_letter(job: Job) -> bool:
    """Whether a job, as it is now, failed and was not discarded."""
    return job.state is JobState.FAILED and job.discarded_at is None


def letter_url(job_id: str) -> str:
    """Where a dead letter is found."""
    return f"/v1/dead-letters/{job_id}"


def _common(job: Job) -> dict[str, Any]:
    error = job.error
    if error is None:
        raise ValueError(f"job {job.id} failed without an error")
    return {
        "job_id": job.id,
        "run": job.run,
        "code": error.code,
        "reason": error.message,
        "stage": error.stage,
        "retryable": error.retry_helps,
        "failed_at": job.finished_at,
        "created_at": job.created_at,
        "pipeline": job.pipeline,
        "lane": job.lane,
        "source_url": job.source.url,
        "url": letter_url(job.id),
        "job_url": job_url(job.id),
    }


def _failed_stage(job: Job) -> StageRecord | None:
    return next((stage for stage in job.stages if job.error is not None and stage.stage == job.error.stage), None)


def _input(job: Job, failed: StageRecord | None) -> Claim | None:
    """What the stage before left; the first stage reads what was submitted."""
    if failed is None or failed.position == 0:
        return job.source.body
    return next(stage.claim for stage in job.stages if stage.position == failed.position - 1)
