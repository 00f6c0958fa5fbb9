"""One action on many jobs: recorded once, then carried out job by job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pipeline.errors import InputExpired, JobFinished, JobNotFound, JobUnfinished, Refused
from pipeline.job import Job
from pipeline.pages import Page
from pipeline.ports import JobFilter, Records
from pipeline.runs import NewRun
from stages.contract import Options

REFUSALS = (JobNotFound, JobUnfinished, JobFinished, InputExpired, Refused)
"""Why an action may not be carried out on a job, each with a `code`."""
SHOWN_FAILURES = 100


class BulkVerb(StrEnum):
    """What is to be done to each job."""

    RETRY = "retry"
    REPLAY = "replay"
    DISCARD = "discard"
    CANCEL = "cancel"


class BulkState(StrEnum):
    """How far an action has come."""

    RUNNING = "running"
    FINISHED = "finished"
    ABORTED = "aborted"


class BulkOutcome(StrEnum):
    """What became of one of its jobs; none yet while it waits for its turn."""

    DONE = "done"
    FAILED = "failed"
    DROPPED = "dropped"
    """The action was aborted before its turn."""


@dataclass(frozen=True, slots=True)
class NewBulkAction:
    """An action as it is asked for. `jobs` are those that match now, or these ids whatever they are."""

    id: str
    tenant_id: str
    verb: BulkVerb
    jobs: JobFilter | Sequence[str]
    created_at: datetime
    from_stage: str | None = None
    """Of a replay."""
    options: Options | None = None
    """Of a replay; None for those of the run before."""


@dataclass(frozen=True, slots=True)
class BulkItem:
    """A job that waits for its turn, and what is to be done to it."""

    action_id: str
    tenant_id: str
    job_id: str
    verb: BulkVerb
    from_stage: str | None
    options: Options | None


@dataclass(frozen=True, slots=True)
class BulkFailure:
    """Why the action could not be carried out on a job."""

    job_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class BulkAction:
    """An action, and how far it has come."""

    id: str
    verb: BulkVerb
    from_stage: str | None
    options: Options | None
    created_at: datetime
    aborted_at: datetime | None
    counts: Mapping[BulkOutcome | None, int]
    """Jobs by what became of them; under None those that wait."""
    reasons: Mapping[str, int]
    """Failures by their codes."""
    failures: tuple[BulkFailure, ...]
    """The first `SHOWN_FAILURES`, by the id of the job; empty in listings."""
    acted_at: datetime | None
    """The latest job's turn."""

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def state(self) -> BulkState:
        if self.aborted_at is not None:
            return BulkState.ABORTED
        return BulkState.RUNNING if self.counts.get(None) else BulkState.FINISHED

    @property
    def finished_at(self) -> datetime | None:
        """When it was aborted, or the last job had its turn."""
        if self.state is BulkState.FINISHED:
            return self.acted_at or self.created_at
        return self.aborted_at


class BulkRecords(Records, Protocol):
    """The records, with what they keep of bulk actions."""

    def record_bulk(self, new: NewBulkAction) -> BulkAction:
        """Record an action on the jobs that are meant, which are fixed from now on."""

    def bulk(self, tenant_id: str, action_id: str) -> BulkAction | None:
        """An action; None when there is none such."""

    def bulks(self, tenant_id: str, *, before: str | None, limit: int) -> Page[BulkAction]:
        """Actions, newest first, without their failures. `before` is the id of the last action of the page before."""

    def abort_bulk(self, tenant_id: str, action_id: str, at: datetime) -> BulkAction:
        """Drop the jobs that wait for their turn; changes nothing once none do. Raises `BulkActionNotFound`."""

    def bulk_items(self, *, limit: int) -> Sequence[BulkItem]:
        """Jobs that wait for their turn: of the oldest action first, and of that the oldest job."""

    def act(self, item: BulkItem, new: NewRun) -> Job | None:
        """Do to a job what the action says, and record what became of it, in one transaction.

        `new` is the run that a retry or a replay opens. Returns the job when a run was opened: the caller publishes.
        """

    def give_up(self, item: BulkItem, failure: BulkFailure, *, at: datetime) -> None:
        """Say that a job's turn ended in a defect, so that it is not tried for ever; nothing when it had its turn."""

    def forget_bulk(self, *, before: datetime) -> int:
        """Erase actions recorded before this that have no job waiting; returns how many."""
