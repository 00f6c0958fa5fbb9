"""Which jobs are meant, in the words of a client: shared by listings and actions on many jobs."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field

from api.fields import MAX_TAGS, Line, Moment, Tag
from pipeline.job import JobState, Lane
from pipeline.ports import JobFilter
from pipeline.urls import MAX_HOST_CHARS, MAX_SEARCHED_CHARS, searched_form


def _listed(given: Any) -> Any:
    """One state, as it may be written, is a list of one."""
    return [given] if isinstance(given, str) else given or []


States = Annotated[list[JobState], BeforeValidator(_listed)]
Searched = Annotated[Line, Field(max_length=MAX_SEARCHED_CHARS)]


class Criteria(BaseModel):
    """All that is given has to hold."""

    stage: Tag | None = Field(default=None, description="Jobs that are at this stage, or failed at it.")
    code: Tag | None = Field(default=None, description="Jobs that failed with this code.")
    pipeline: Tag | None = Field(default=None, description="Jobs of this pipeline, or `custom`.")
    lane: Lane | None = Field(default=None, description="Jobs that were submitted for this lane.")
    tag: list[Tag] = Field(default=[], max_length=MAX_TAGS, description="Jobs that have this tag; all of several.")
    host: Annotated[Line, Field(max_length=MAX_HOST_CHARS)] | None = Field(
        default=None, description="Jobs whose URL has exactly this host."
    )
    batch_id: UUID | None = Field(default=None, description="Jobs that came with this batch.")
    q: Searched | None = Field(default=None, description="Jobs whose URL, without its scheme, begins with this.")
    created_after: Moment | None = Field(default=None, description="Jobs submitted at or after this.")
    created_before: Moment | None = Field(default=None, description="Jobs submitted before this.")

    def meant(self, *states: JobState, discarded: bool | None = None) -> JobFilter:
        """The same in the words of the layer below."""
        return JobFilter(
            states=states,
            stage=self.stage,
            code=self.code,
            pipeline=self.pipeline,
            lane=self.lane,
            tags=tuple(self.tag),
            host=None if self.host is None else self.host.lower(),
            url=None if self.q is None else searched_form(self.q),
            created_after=self.created_after,
            created_before=self.created_before,
            discarded=discarded,
            batch_id=None if self.batch_id is None else str(self.batch_id),
        )
