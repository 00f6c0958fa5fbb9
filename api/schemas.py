"""What goes in and out of the HTTP API. Field names are part of the interface."""

from datetime import datetime
from typing import Annotated, Any, BinaryIO, Self
from urllib.parse import urlencode
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from api.criteria import Criteria, States
from api.fields import Metadata, Moment, Tags, Text, encodable
from api.schemas_usage import UsageView
from orchestration.submit import Submission
from pipeline.composition import MAX_STAGES
from pipeline.definition import DEFAULT_PIPELINE
from pipeline.job import Attempt, Job, JobError, JobState, Lane, StageRecord, StageState
from pipeline.pages import Page
from pipeline.ports import JobFilter
from pipeline.terms import MAX_AHEAD, Schedule
from stages.contract import Options, Processing

MAX_URL_CHARS = 8_192
MAX_PAGE = 200
MAX_ATTEMPTS = 20
MAX_REUSED_S = 30 * 86_400
StageName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]


Url = Annotated[str, StringConstraints(max_length=MAX_URL_CHARS), AfterValidator(encodable)]


# PostgreSQL keeps no NUL.
WebhookName = Annotated[Url, StringConstraints(min_length=1, pattern=r"^[^\x00]*$")]


class JobOptions(Options):
    """How a job is to be done."""

    pipeline: StageName | None = Field(
        default=None, description=f"A named pipeline; `{DEFAULT_PIPELINE}` unless `stages` is given."
    )
    stages: list[StageName] | None = Field(
        default=None, min_length=1, max_length=MAX_STAGES, description="An order of stages, instead of a pipeline."
    )
    lane: Lane = Field(default=Lane.NORMAL, description="How soon the job is served.")
    tags: Tags = Field(default=[], description="Words to find the job by.")
    metadata: Metadata = Field(default={}, description="Kept and shown with the job; up to 4 KiB as JSON.")
    not_before: Moment | None = Field(default=None, description="The moment at which the job is due.")
    delay_s: float | None = Field(
        default=None,
        ge=0,
        le=MAX_AHEAD.total_seconds(),
        allow_inf_nan=False,
        description="How many seconds from now the job is due, instead of a moment.",
    )
    expires_at: Moment | None = Field(default=None, description="The job fails if it has not ended at this moment.")
    max_attempts: int | None = Field(
        default=None, ge=1, le=MAX_ATTEMPTS, description="Attempts at each stage, instead of what the stage declares."
    )

    webhook: WebhookName | None = Field(
        default=None, description="The id or the exact URL of a registered webhook that is to be told of the end."
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if self.pipeline is not None and self.stages is not None:
            raise ValueError("give pipeline or stages, not both")
        if self.not_before is not None and self.delay_s is not None:
            raise ValueError("give not_before or delay_s, not both")
        return self

    def submission_of(
        self,
        tenant_id: str,
        *,
        url: str | None = None,
        body: bytes | BinaryIO | None = None,
        content_type: str | None = None,
        name: str | None = None,
    ) -> Submission:
        """The request in the words of the layer below, for the page at a URL or for a body."""
        return Submission(
            url=url,
            body=body,
            content_type=content_type,
            name=name,
            pipeline=self.pipeline,
            stages=None if self.stages is None else tuple(self.stages),
            options=Options(**{name: getattr(self, name) for name in Options.model_fields}),
            lane=self.lane,
            tenant_id=tenant_id,
            tags=tuple(self.tags),
            metadata=self.metadata,
            schedule=Schedule(self.not_before, self.delay_s, self.expires_at),
            max_attempts=self.max_attempts,
            webhook=self.webhook,
        )


class JobRequest(JobOptions):
    """A job to be done. Give exactly one of `url`, `html` and `text`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": "https://example.com/article", "processing": "quick"}]},
    )

    url: Url | None = Field(default=None, description="An http or https URL to fetch.")
    html: Text | None = Field(default=None, description="An HTML page, instead of a URL.")
    text: Text | None = Field(default=None, description="Plain text, instead of a URL.")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(source is not None for source in (self.url, self.html, self.text)) != 1:
            raise ValueError("give exactly one of url, html and text")
        if self.render and self.url is None:
            raise ValueError("render needs a url")
        return self

    def submission(self, tenant_id: str) -> Submission:
        """The same request in the words of the layer below."""
        if self.url is not None:
            return self.submission_of(tenant_id, url=self.url)
        content, kind = (self.html, "html") if self.html is not None else (self.text or "", "plain")
        return self.submission_of(tenant_id, body=content.encode(), content_type=f"text/{kind}; charset=utf-8")


class Dedupe(BaseModel):
    """Whether a job that has done the same will do."""

    model_config = ConfigDict(extra="forbid")

    max_age_s: float = Field(gt=0, le=MAX_REUSED_S, description="How long ago it may have succeeded, in seconds.")


Reuse = Annotated[Dedupe | None, Field(description="Take a job that has done the same instead of a new one.")]


class JobSubmission(JobRequest):
    """A job to be done, or to be found done."""

    dedupe: Reuse = None


class Accepted(BaseModel):
    """The answer to a request to run a job."""

    id: str
    status: JobState = JobState.QUEUED
    url: str = Field(description="Where to ask for the job's state.")


class Submitted(Accepted):
    """The answer to a submission."""

    cached: bool = Field(default=False, description="Whether this is an earlier job that has done the same.")


class RerunAccepted(Accepted):
    """The answer to a request to run a job again."""

    run: int = Field(description="The number of the new run.")


class ErrorView(BaseModel):
    """Why a job or an attempt failed."""

    code: str = Field(description="Stable; see the table of error codes.")
    message: str
    stage: str | None
    retryable: bool = Field(description="Whether submitting the same job later could end differently.")

    @classmethod
    def of(cls, error: JobError | None) -> Self | None:
        if error is None:
            return None
        return cls(code=error.code, message=error.message, stage=error.stage, retryable=error.retry_helps)


class AttemptView(BaseModel):
    """One try at a stage."""

    number: int
    started_at: datetime
    finished_at: datetime | None
    duration_s: float | None
    outcome: str | None
    error: ErrorView | None
    usage: UsageView | None = Field(description="What it cost to ask a language model; null where it asked none.")

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        return cls(
            number=attempt.epoch,
            started_at=attempt.started_at,
            finished_at=attempt.finished_at,
            duration_s=attempt.duration_s,
            outcome=attempt.outcome,
            error=ErrorView.of(attempt.error),
            usage=UsageView.unless_none(attempt.spent),
        )


class PartsView(BaseModel):
    """How far a stage is that is done in parts."""

    done: int
    total: int


class StageView(BaseModel):
    """One stage of the run."""

    name: str
    status: StageState
    attempts: int = Field(description="Attempts spent; waiting for a busy service spends none.")
    stale_writes: int = Field(description="Results refused because their worker had been taken for dead.")
    started_at: datetime | None
    finished_at: datetime | None
    duration_s: float | None
    error: ErrorView | None = Field(description="Of the latest attempt that did not succeed.")
    parts: PartsView | None = Field(description="Of a stage that is done in parts; anew when it is split again.")
    timeline: list[AttemptView]

    @classmethod
    def of(cls, stage: StageRecord) -> Self:
        return cls(
            name=stage.stage,
            status=stage.state,
            attempts=stage.attempts,
            stale_writes=stage.stale_writes,
            started_at=stage.started_at,
            finished_at=stage.finished_at,
            duration_s=stage.duration_s,
            error=ErrorView.of(stage.error),
            parts=None if stage.parts is None else PartsView(done=stage.parts.done, total=stage.parts.total),
            timeline=[AttemptView.of(attempt) for attempt in stage.tries],
        )


class JobSummary(BaseModel):
    """A job in a listing."""

    id: str
    status: JobState
    pipeline: str
    lane: Lane
    run: int
    source_url: str | None
    processing: Processing
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: ErrorView | None
    tags: list[str]
    metadata: dict[str, str]
    not_before: datetime | None = Field(description="The moment before which it may not start, if one was asked for.")
    batch_id: str | None
    batch_index: int | None = Field(description="Which item of its batch it is, from 0.")
    url: str

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls(**_common(job))


class JobView(JobSummary):
    """A job with the stages of one of its runs."""

    stage: str | None = Field(description="The stage it is at; null when all are done.")
    progress: int = Field(ge=0, le=100, description="In percent.")
    attempts: int = Field(description="Attempts spent on all stages.")
    max_attempts: int | None = Field(description="Attempts at each stage, if a number was asked for.")
    webhook_id: str | None = Field(
        default=None, description="Of the webhook that is told of its end, if one was named."
    )
    deadline_at: datetime
    discarded_at: datetime | None = Field(description="When this failed job was taken off the dead letters.")
    result_url: str | None = Field(description="Where the result is, once there is one.")
    stages: list[StageView]
    usage: UsageView | None = Field(description="What language models cost in all runs; null where none was asked.")

    @classmethod
    def of(cls, job: Job, *, run: int | None = None) -> Self:
        """`run` is the one that was asked for by its number, whose result is found by its number, too."""
        current = job.current_stage
        return cls(
            **_common(job),
            stage=current.stage if current else None,
            progress=job.progress,
            attempts=sum(stage.attempts for stage in job.stages),
            max_attempts=job.terms.max_attempts,
            webhook_id=job.terms.webhook_id,
            deadline_at=job.deadline_at,
            discarded_at=job.discarded_at,
            result_url=result_url(job.id, run) if job.state is JobState.SUCCEEDED else None,
            stages=[StageView.of(stage) for stage in job.stages],
            usage=UsageView.unless_none(job.spent),
        )


class PageQuery(BaseModel):
    """Which page of a listing is asked for, by the ids of what is listed."""

    model_config = ConfigDict(extra="forbid")

    cursor: UUID | None = Field(default=None, description="From `next` of the page before.")
    limit: int = Field(default=50, ge=1, le=MAX_PAGE)

    @property
    def before(self) -> str | None:
        """What the page before ended with."""
        return None if self.cursor is None else str(self.cursor)

    def after(self, page: Page[Any], path: str) -> str | None:
        """Where the page after this one is; None when this is the last one."""
        if not page.more:
            return None
        following = self.model_copy(update={"cursor": UUID(page.last_id)})
        return f"{path}?{urlencode(following.model_dump(mode='json', exclude_none=True), doseq=True)}"


def _known_fields(given: str | None) -> str | None:
    unknown = set(given.split(",")) - set(JobSummary.model_fields) if given is not None else ()
    if unknown:
        raise ValueError(f"a job in a list has no {', '.join(sorted(unknown))}")
    return given


class JobQuery(PageQuery, Criteria):
    """Which jobs are to be listed, and what of them."""

    status: States = Field(default=[], description="Jobs in this state; any of several.")
    fields: Annotated[str | None, AfterValidator(_known_fields)] = Field(
        default=None, description="Names of fields with commas between them; the others are left out."
    )

    def where(self) -> JobFilter:
        """The same in the words of the layer below."""
        return self.meant(*self.status)


class JobPage(BaseModel):
    """One page of jobs, newest first."""

    items: list[JobSummary]
    next: str | None = Field(description="Where the next page is; null on the last one.")

    @classmethod
    def of(cls, page: Page[Job], query: JobQuery) -> Self:
        return cls(items=[JobSummary.of(job) for job in page.items], next=query.after(page, "/v1/jobs"))

    def sparse(self, fields: str) -> str:
        """The same as JSON, with nothing of the jobs but these fields."""
        return self.model_dump_json(include={"next": True, "items": {"__all__": set(fields.split(","))}})


def job_url(job_id: str) -> str:
    """Where a job is found."""
    return f"/v1/jobs/{job_id}"


def result_url(job_id: str, run: int | None = None) -> str:
    """Where the result of a job is found, or that of one of its runs."""
    return f"{job_url(job_id)}/result" + ("" if run is None else f"?run={run}")


def _common(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "status": job.state,
        "pipeline": job.pipeline,
        "lane": job.lane,
        "run": job.run,
        "source_url": job.source.url,
        "processing": job.options.processing,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "error": ErrorView.of(job.error),
        "tags": job.terms.tags,
        "metadata": job.terms.metadata,
        "not_before": job.terms.not_before,
        "batch_id": job.batch_id,
        "batch_index": job.batch_index,
        "url": job_url(job.id),
    }
