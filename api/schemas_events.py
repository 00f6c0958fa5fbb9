"""What comes out of the streams of events."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from api.schemas import JobView
from pipeline.deltas import NAME
from pipeline.events import EventKind
from pipeline.job import Lane


class JobEvent(BaseModel):
    """One thing that happened to a run; what does not apply is None. See the table in `pipeline.events`."""

    id: str | None = None
    """Where a reader goes on from."""
    event: EventKind
    job_id: str
    run: int
    pipeline: str
    lane: Lane
    at: datetime
    stage: str | None = None
    attempt: int | None = None
    """Numbers all attempts of a stage, postponed and lost ones included."""
    code: str | None = None
    message: str | None = None
    delay_s: float | None = None


class Snapshot(BaseModel):
    """A job as it is, instead of events that the stream has forgotten."""

    id: str | None = None
    event: Literal["snapshot"] = "snapshot"
    job: JobView


class Gap(BaseModel):
    """Events of all jobs are missing before this one; list the jobs to see how they are."""

    id: str | None = None
    event: Literal["gap"] = "gap"
    message: str


class SummaryDelta(BaseModel):
    """A piece of the summary that a language model is writing for a job. Any may be missing; the result has it all."""

    event: Literal["summary.delta"] = "summary.delta"
    job_id: str
    run: int
    stage: str
    attempt: int
    """Another attempt begins again, at the offset 0."""
    offset: int
    """In characters (Unicode code points)."""
    text: str

    def after(self, shown: str) -> str:
        """What is to be shown now, where that was shown before.

        >>> piece = SummaryDelta(job_id="7", run=1, stage="summarize", attempt=1, offset=6, text="lift boats.")
        >>> piece.after("Locks lower")
        'Locks lift boats.'
        """
        return shown[: self.offset] + self.text


StreamEvent = JobEvent | Snapshot | Gap | SummaryDelta


def event_of(name: str, data: str, event_id: str | None) -> StreamEvent | None:
    """An event as it was sent; None for one that this version does not know. Raises `ValidationError`.

    >>> event_of("gap", '{"message": "Some are missing."}', "7-0")
    Gap(id='7-0', event='gap', message='Some are missing.')
    >>> event_of("job.levitated", "{}", None) is None
    True
    """
    if name == "snapshot":
        return Snapshot(id=event_id, job=JobView.model_validate_json(data))
    if name == NAME:
        return SummaryDelta.model_validate_json(data)
    kind = Gap if name == "gap" else JobEvent if name in set(EventKind) else None
    return None if kind is None else kind.model_validate_json(data).model_copy(update={"id": event_id})
