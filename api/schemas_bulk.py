"""What goes in and out of the HTTP API about actions on many jobs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from api.criteria import Criteria, States
from api.schemas import JobSummary, PageQuery, StageName
from orchestration.bulk import Preview
from pipeline.bulk import BulkAction, BulkFailure, BulkOutcome, BulkState, BulkVerb
from pipeline.job import JobState
from pipeline.pages import Page
from pipeline.ports import JobFilter
from stages.contract import Options

MAX_IDS = 1000
BULK_ACTIONS = "/v1/bulk-actions"
FITTING = {
    BulkVerb.RETRY: (JobState.FAILED, JobState.CANCELLED),
    BulkVerb.REPLAY: (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED),
    BulkVerb.DISCARD: (JobState.FAILED,),
    BulkVerb.CANCEL: (JobState.QUEUED, JobState.RUNNING),
}
"""The states that a job may be in for an action."""
OF_DEAD_LETTERS = (BulkVerb.RETRY, BulkVerb.DISCARD)
"""Actions that mean failed jobs unless they say otherwise."""


class BulkFilter(Criteria):
    """Which jobs are meant: those for which all that is given holds. Discarded dead letters never are."""

    model_config = ConfigDict(extra="forbid")

    status: States = Field(
        default=[],
        description="One or several. `failed` unless given for retry and discard; required for replay and cancel.",
    )


class BulkRequest(BaseModel):
    """An action on many jobs. Give either `filter` or `ids`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"action": "retry", "filter": {"code": "llm_unavailable"}, "preview": True}]},
    )

    action: BulkVerb
    filter: BulkFilter | None = None
    ids: list[UUID] | None = Field(default=None, min_length=1, max_length=MAX_IDS)
    from_stage: StageName | None = Field(default=None, alias="from", description="The stage a replay starts at.")
    options: Options | None = Field(default=None, description="Of a replay; those of the run before unless given.")
    preview: bool = Field(default=False, description="Only say which jobs are meant.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.filter is None) == (self.ids is None):
            raise ValueError("give either filter or ids")
        if (self.action is BulkVerb.REPLAY) != (self.from_stage is not None):
            raise ValueError("give from for a replay, and only then")
        if self.action is not BulkVerb.REPLAY and self.options is not None:
            raise ValueError("give options for a replay only")
        if self.filter is not None and not self._has_fitting_states:
            states = ", ".join(FITTING[self.action])
            raise ValueError(f"filter.status has to be one of {states} for {self.action}")
        return self

    @property
    def jobs(self) -> JobFilter | Sequence[str]:
        """Which jobs are meant."""
        if self.filter is not None:
            return self.filter.meant(*self._states, discarded=False)
        return [str(job_id) for job_id in dict.fromkeys(self.ids or ())]

    @property
    def _states(self) -> Sequence[JobState]:
        given = [] if self.filter is None else self.filter.status
        return given or ([JobState.FAILED] if self.action in OF_DEAD_LETTERS else [])

    @property
    def _has_fitting_states(self) -> bool:
        return bool(self._states) and set(self._states) <= set(FITTING[self.action])


class PreviewView(BaseModel):
    """What an action would be done to, were it recorded now."""

    count: int
    sample: list[JobSummary] = Field(description="The newest of them.")

    @classmethod
    def of(cls, preview: Preview) -> Self:
        return cls(count=preview.count, sample=[JobSummary.of(job) for job in preview.sample])


class BulkFailureView(BaseModel):
    """A job that the action could not be done to."""

    job_id: str
    code: str
    message: str

    @classmethod
    def of(cls, failure: BulkFailure) -> Self:
        return cls(job_id=failure.job_id, code=failure.code, message=failure.message)


class BulkActionSummary(BaseModel):
    """An action in a listing, and how far it has come."""

    model_config = ConfigDict(serialize_by_alias=True)

    id: str
    action: BulkVerb
    from_stage: str | None = Field(validation_alias=AliasChoices("from", "from_stage"), serialization_alias="from")
    status: BulkState
    total: int
    done: int = Field(description="Jobs it was done to; how their new runs end is not counted here.")
    failed: int = Field(description="Jobs it could not be done to.")
    reasons: dict[str, int] = Field(description="The failed ones by code.")
    created_at: datetime
    finished_at: datetime | None
    url: str

    @classmethod
    def of(cls, action: BulkAction) -> Self:
        return cls(**_common(action))


class BulkActionView(BulkActionSummary):
    """An action, and how far it has come."""

    failures: list[BulkFailureView] = Field(description="The first hundred of the failed ones.")

    @classmethod
    def of(cls, action: BulkAction) -> Self:
        return cls(**_common(action), failures=[BulkFailureView.of(failure) for failure in action.failures])


class BulkActionPage(BaseModel):
    """One page of actions, newest first."""

    items: list[BulkActionSummary]
    next: str | None = Field(description="Where the next page is; null on the last one.")

    @classmethod
    def of(cls, page: Page[BulkAction], query: PageQuery) -> Self:
        items = [BulkActionSummary.of(action) for action in page.items]
        return cls(items=items, next=query.after(page, BULK_ACTIONS))


def bulk_url(action_id: str) -> str:
    """Where an action is found."""
    return f"{BULK_ACTIONS}/{action_id}"


def _common(action: BulkAction) -> dict[str, Any]:
    return {
        "id": action.id,
        "action": action.verb,
        "from_stage": action.from_stage,
        "status": action.state,
        "total": action.total,
        "done": action.counts.get(BulkOutcome.DONE, 0),
        "failed": action.counts.get(BulkOutcome.FAILED, 0),
        "reasons": dict(action.reasons),
        "created_at": action.created_at,
        "finished_at": action.finished_at,
        "url": bulk_url(action.id),
    }
