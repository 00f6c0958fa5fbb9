"""What goes in and out of the HTTP API about batches."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from api.criteria import States
from api.fields import Text
from api.schemas import ErrorView, JobRequest, PageQuery
from api.schemas_usage import UsageView
from pipeline.batches import Batch, BatchState, Rejection
from pipeline.job import JobState, Lane
from pipeline.pages import Page
from pipeline.ports import JobFilter
from stages.contract import Document

BATCHES = "/v1/batches"
ZIP = "application/zip"
NDJSON = "application/x-ndjson"
"""Lines of JSON."""
SOURCES = ("url", "html", "text")
INSTEAD_OF = {"pipeline": "stages", "stages": "pipeline", "not_before": "delay_s", "delay_s": "not_before"}
"""Fields of which an item may give one: it takes the place of the other, too, where the batch gives that to all."""

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


class BatchHeader(BaseModel):
    """What is said of a batch as a whole; in the query where the items come line by line."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = Field(default=None, description="For people; it need not be unique.")
    lane: Lane = Field(default=Lane.BULK, description="Of the items that do not say theirs.")


class BatchRequest(BatchHeader):
    """A batch in one JSON document."""

    items: list[Any]
    defaults: Annotated[dict[str, Any], AfterValidator(_fit_to_jobs)] = Field(default_factory=dict)


BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["items"],
                "properties": {
                    "items": {"type": "array", "items": {"$ref": "#/components/schemas/JobRequest"}},
                    "defaults": {"type": "object", "description": "Fields of a job that items need not repeat."},
                    "lane": {"$ref": "#/components/schemas/Lane"},
                    "name": {"type": "string", "maxLength": 200},
                },
            },
            "example": {"items": [{"url": "https://example.com/"}], "defaults": {"pipeline": "extract"}},
        },
        NDJSON: {"schema": {"$ref": "#/components/schemas/JobRequest"}},
    },
}
"""For OpenAPI, as the body is read by hand."""


class RejectionView(BaseModel):
    """An item that became no job."""

    index: int = Field(description="Which item, from 0.")
    code: str
    message: str

    @classmethod
    def of(cls, rejection: Rejection) -> Self:
        return cls(index=rejection.index, code=rejection.code, message=rejection.message)


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
    url: str

    @classmethod
    def of(cls, batch: Batch, now: datetime) -> Self:
        return cls(**_common(batch, now))

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to it by itself, as `Batch.is_over` has it."""
        is_open = self.status in (BatchState.RECEIVING, BatchState.CANCELLING)
        return not is_open and all(state.is_terminal for state, jobs in self.counts.items() if jobs)


class BatchView(BatchSummary):
    """A batch, and how far it has come."""

    rejected: list[RejectionView] = Field(description="The first hundred of the rejected items.")

    @classmethod
    def of(cls, batch: Batch, now: datetime) -> Self:
        return cls(**_common(batch, now), rejected=[RejectionView.of(each) for each in batch.rejections])


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
        "url": batch_url(batch.id),
    }
