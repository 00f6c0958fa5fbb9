"""What goes in and out of the HTTP API about batches."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from api.criteria import States
from api.fields import Text
from api.schemas import ErrorView, JobOptions, JobRequest, PageQuery, Url, result_url
from api.schemas_usage import UsageView
from orchestration.submit import Submission
from pipeline.batches import MAX_ITEMS, OPEN_STATES, Batch, BatchState, Rejection
from pipeline.job import JobState, Lane
from pipeline.pages import Page
from pipeline.ports import JobFilter
from pipeline.sources import BatchSource, SourceState
from stages.contract import Document

BATCHES = "/v1/batches"
ZIP = "application/zip"
NDJSON = "application/x-ndjson"
"""Lines of JSON."""
SOURCES = ("url", "html", "text")
INSTEAD_OF = {"pipeline": "stages", "stages": "pipeline", "not_before": "delay_s", "delay_s": "not_before"}
"""Fields of which an item may give one: it takes the place of the other, too, where the batch gives that to all."""

DIGEST_PIPELINE = "summarize"
DIGEST_FIELDS = {
    "processing",
    "length",
    "language",
    "audience",
    "prompt",
    "model",
    "fallback",
    "lane",
    "tags",
    "metadata",
    "max_attempts",
    "webhook",
}
"""Defaults of a batch that go for its digest, too."""

Name = Annotated[Text, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


def completed(item: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """An item with what it leaves to the batch.

    >>> completed({"url": "https://example.org/", "stages": ["fetch"]}, {"pipeline": "extract", "tags": ["a"]})
    {'tags': ['a'], 'url': 'https://example.org/', 'stages': ['fetch']}
    """
    replaced = {INSTEAD_OF[name] for name in INSTEAD_OF if item.get(name) is not None}
    return {**{name: value for name, value in defaults.items() if name not in replaced}, **item}


def _fit_to_jobs(defaults: dict[str, Any]) -> dict[str, Any]:
    from api.errors import explained  # with FastAPI, which clients do without

    if any(source in defaults for source in SOURCES):
        raise ValueError("a source is given by each item, not for all")
    try:
        JobRequest.model_validate({**defaults, "text": ""})
    except ValidationError as error:
        raise ValueError(explained(error)) from None
    return defaults


# PostgreSQL keeps no NUL.
SourceUrl = Annotated[Url, StringConstraints(min_length=1, pattern=r"^[^\x00]*$")]


class BatchHeader(BaseModel):
    """What is said of a batch as a whole; in the query where the items come line by line."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = Field(default=None, description="For people; it need not be unique.")
    lane: Lane = Field(default=Lane.BULK, description="Of the items that do not say theirs.")
    digest: bool = Field(default=False, description="Whether to summarize all results together once they are there.")

    def digest_pattern(self, defaults: Mapping[str, Any], tenant_id: str) -> Submission | None:
        """What the job is to be like that summarizes all results, if one is asked for."""
        if not self.digest:
            return None
        given = {name: defaults[name] for name in DIGEST_FIELDS & defaults.keys()}
        asked = JobOptions.model_validate({"lane": self.lane, **given, "pipeline": DIGEST_PIPELINE})
        return asked.submission_of(tenant_id)


class SourceRequest(BaseModel):
    """A list on the web whose entries become the items."""

    model_config = ConfigDict(extra="forbid")

    url: SourceUrl = Field(description="Of a sitemap or an index of some, a feed, OPML, or a text with a URL a line.")
    limit: int = Field(default=MAX_ITEMS, ge=1, le=MAX_ITEMS, description="Items at most.")
    since: date | None = Field(default=None, description="Leave out what is said to be older than this day.")


class BatchRequest(BatchHeader):
    """A batch in one JSON document. Give one of `items` and `source`."""

    items: list[Any] | None = None
    source: SourceRequest | None = None
    defaults: Annotated[dict[str, Any], AfterValidator(_fit_to_jobs)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.items is None) == (self.source is None):
            raise ValueError("give one of items and source")
        return self

    def completed(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """An item with what it leaves to the batch."""
        return {"lane": self.lane, **completed(item, self.defaults)}


SOURCE_SCHEMA: dict[str, Any] = SourceRequest.model_json_schema()

BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "oneOf": [{"required": ["items"]}, {"required": ["source"]}],
                "properties": {
                    "items": {"type": "array", "items": {"$ref": "#/components/schemas/JobRequest"}},
                    "source": SOURCE_SCHEMA,
                    "defaults": {"type": "object", "description": "Fields of a job that items need not repeat."},
                    "lane": {"$ref": "#/components/schemas/Lane"},
                    "name": {"type": "string", "maxLength": 200},
                    "digest": {"type": "boolean", "default": False},
                },
            },
            "example": {"items": [{"url": "https://example.com/"}], "defaults": {"pipeline": "extract"}},
        },
        NDJSON: {"schema": {"$ref": "#/components/schemas/JobRequest"}},
    },
}
"""For OpenAPI, as the body is read by hand."""


class ProblemView(BaseModel):
    """What went wrong with a part of a batch."""

    code: str
    message: str


class RejectionView(BaseModel):
    """An item that became no job."""

    index: int = Field(description="Which item, from 0.")
    code: str
    message: str

    @classmethod
    def of(cls, rejection: Rejection) -> Self:
        return cls(index=rejection.index, code=rejection.code, message=rejection.message)


class SourceView(BaseModel):
    """A sitemap, feed or the like that items come from."""

    url: str
    status: SourceState
    job_id: str | None = Field(description="Of the job that reads it; not among those of the batch.")
    items: int = Field(description="That came of it.")
    problem: ProblemView | None = Field(description="Why nothing was taken of it, or not all.")

    @classmethod
    def of(cls, source: BatchSource) -> Self:
        problem = source.problem
        return cls(
            url=source.url,
            status=source.state,
            job_id=source.job_id,
            items=source.found,
            problem=None if problem is None else ProblemView(code=problem.code, message=problem.message),
        )


class DigestView(BaseModel):
    """The job that summarizes all results of a batch."""

    job_id: str | None = Field(description="Null until all jobs of the batch have ended.")
    status: JobState | None = Field(description="Null where there is no such job yet, or any more.")
    result_url: str | None = Field(description="Where its document is, once it has succeeded.")
    problem: ProblemView | None = Field(description="Why there will be none.")

    @classmethod
    def of(cls, batch: Batch) -> Self | None:
        if batch.digest_order is None:
            return None
        job_id, state, problem = batch.digest_job_id, batch.digest_state, batch.digest_problem
        return cls(
            job_id=job_id,
            status=state,
            result_url=result_url(job_id) if job_id and state is JobState.SUCCEEDED else None,
            problem=None if problem is None else ProblemView(code=problem.code, message=problem.message),
        )


class BatchSummary(BaseModel):
    """A batch in a listing."""

    id: str
    name: str | None
    status: BatchState
    accepted: int = Field(description="Items that became jobs.")
    rejected_total: int = Field(description="Items that did not.")
    counts: dict[JobState, int] = Field(description="Its jobs by status, now.")
    progress: int = Field(description="Jobs that have ended, in percent.")
    created_at: datetime
    received_at: datetime | None = Field(description="When its last item was received.")
    cancelled_at: datetime | None
    usage: UsageView | None = Field(description="What language models cost; null where none was asked.")
    digest: DigestView | None = Field(default=None, description="Null where none was asked for.")
    url: str

    @classmethod
    def of(cls, batch: Batch, now: datetime) -> Self:
        return cls(**_common(batch, now))

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to it by itself, as `Batch.is_over` has it."""
        return self.status not in OPEN_STATES and all(state.is_terminal for state, jobs in self.counts.items() if jobs)


class BatchView(BatchSummary):
    """A batch, and how far it has come."""

    rejected: list[RejectionView] = Field(description="The first hundred of the rejected items.")
    sources: list[SourceView] = Field(default=[], description="Where its items come from, if not with the request.")

    @classmethod
    def of(cls, batch: Batch, now: datetime) -> Self:
        rejected, sources = map(RejectionView.of, batch.rejections), map(SourceView.of, batch.sources)
        return cls(**_common(batch, now), rejected=list(rejected), sources=list(sources))


class BatchResult(BaseModel):
    """How a job of a batch ended: a line of its results."""

    index: int = Field(description="Which item it was, from 0.")
    job_id: str
    run: int
    status: JobState
    source_url: str | None
    error: ErrorView | None
    result: Document | None


class BatchList(BaseModel):
    """One page of batches, newest first."""

    items: list[BatchSummary]
    next: str | None = Field(description="Where the next page is; null on the last one.")

    @classmethod
    def of(cls, page: Page[Batch], query: PageQuery, now: datetime) -> Self:
        return cls(items=[BatchSummary.of(batch, now) for batch in page.items], next=query.after(page, BATCHES))


class BatchJobQuery(PageQuery):
    """Which jobs of a batch are to be listed."""

    status: States = Field(default=[], description="Jobs in this state; any of several.")

    def where(self, batch_id: str) -> JobFilter:
        """The same in the words of the layer below."""
        return JobFilter(states=tuple(self.status), batch_id=batch_id)


def batch_url(batch_id: str) -> str:
    """Where a batch is found."""
    return f"{BATCHES}/{batch_id}"


def _common(batch: Batch, now: datetime) -> dict[str, Any]:
    return {
        "id": batch.id,
        "name": batch.name,
        "status": batch.state(now),
        "accepted": batch.accepted,
        "rejected_total": batch.rejected,
        "counts": {state: batch.counts.get(state, 0) for state in JobState},
        "progress": batch.progress,
        "created_at": batch.created_at,
        "received_at": batch.sealed_at,
        "cancelled_at": batch.cancelled_at,
        "usage": UsageView.unless_none(batch.spent),
        "digest": DigestView.of(batch),
        "url": batch_url(batch.id),
    }
