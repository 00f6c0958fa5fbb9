"""Jobs, runs and stages as the records know them, and every legal change of their states.

run:        queued → running → succeeded | failed | cancelled
stage:      waiting → ready → running → succeeded | failed | cancelled
                        ▲         │
                        ├─────────┤  postponed, to be tried again, or its worker was lost
                        └─ split ◄┘  being done in parts; ready again when all of them have succeeded

A part goes the way of a stage, but is never split itself; while it waits, others of its stage are under way. One that
fails for good fails its stage. When the input of a part is lost, the parts that are not done are cancelled and the
split stage is ready, to be split anew.

A job has the state of its current run; a new run of a finished job starts at the beginning of the table. When the
output of a stage is lost, that stage goes from succeeded to ready, and the running one that needs it to waiting.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum

from pipeline.errors import IllegalTransition
from pipeline.ids import Claim
from pipeline.likeness import likeness
from pipeline.spending import NOTHING, Spent
from pipeline.terms import JobTerms
from stages.contract import CODES, Options

DEFAULT_TENANT = "default"
FIRST_RUN = 1
MAX_LOSSES = 3
"""Workers that may die on one stage before it is given up."""
MAX_RERUNS = 1
"""Times the output of a stage may be lost in one run; what is lost twice would be lost again."""
MAX_PARTS = 500
"""That a stage may be split into at once."""
MAX_LEVELS = 6
"""Times a stage may be split in one run: its input, then what came of the parts, and so on."""
PARTS_AT_ONCE = 4
"""Of one stage that are ready or running; the others wait, so that a long document leaves room in the queue."""
RECENT_TRIES = 20
"""Attempts that are shown of one stage; all are recorded, and postponing makes many."""


class JobState(StrEnum):
    """Of a job, and of each of its runs."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """Whether the run has ended."""
        return not JOB_TRANSITIONS[self]


class StageState(StrEnum):
    """Of one stage of a run, or of a part of it."""

    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    SPLIT = "split"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """Whether it stays so, unless the stage's output is lost."""
        return self in (StageState.SUCCEEDED, StageState.FAILED, StageState.CANCELLED)


JOB_TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.FAILED, JobState.CANCELLED}),
    JobState.RUNNING: frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}),
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}

PLACES = (StageState.READY, StageState.RUNNING, StageState.SPLIT, StageState.FAILED)
"""States of the stage that an unfinished job is at, or that a failed one failed at: one stage at a time."""

STAGE_TRANSITIONS: Mapping[StageState, frozenset[StageState]] = {
    StageState.WAITING: frozenset({StageState.READY, StageState.CANCELLED}),
    StageState.READY: frozenset({StageState.RUNNING, StageState.FAILED, StageState.CANCELLED}),
    StageState.RUNNING: frozenset(
        {
            StageState.READY,
            StageState.WAITING,
            StageState.SPLIT,
            StageState.SUCCEEDED,
            StageState.FAILED,
            StageState.CANCELLED,
        },
    ),
    StageState.SPLIT: frozenset({StageState.READY, StageState.WAITING, StageState.FAILED, StageState.CANCELLED}),
    StageState.SUCCEEDED: frozenset({StageState.READY}),
    StageState.FAILED: frozenset(),
    StageState.CANCELLED: frozenset(),
}


def job_sources(target: JobState) -> tuple[JobState, ...]:
    """The states a job may be in just before it becomes `target`: what a compare-and-set write compares with.

    >>> [str(state) for state in job_sources(JobState.SUCCEEDED)]
    ['running']
    """
    return tuple(state for state, targets in JOB_TRANSITIONS.items() if target in targets)


def stage_sources(target: StageState) -> tuple[StageState, ...]:
    """The states a stage may be in just before it becomes `target`.

    >>> [str(state) for state in stage_sources(StageState.RUNNING)]
    ['ready']
    """
    return tuple(state for state, targets in STAGE_TRANSITIONS.items() if target in targets)


def require_legal(current: StageState, target: StageState) -> None:
    """Raise `IllegalTransition` unless the table allows this change of a stage."""
    if target not in STAGE_TRANSITIONS[current]:
        raise IllegalTransition(f"a stage cannot go from {current} to {target}")


class Lane(StrEnum):
    """How soon a run is served. Inherited by all of its stages and their retries."""

    URGENT = "urgent"
    NORMAL = "normal"
    BULK = "bulk"


class LanePriority(IntEnum):
    """Message priority of each lane; the lowest number is served first."""

    URGENT = 0
    NORMAL = 3
    BULK = 6


def priority_of(lane: Lane) -> int:
    """The message priority of a lane."""
    return LanePriority[lane.name].value


@dataclass(frozen=True, slots=True)
class JobSource:
    """Where a job's input is: a URL, or the claim of submitted content."""

    url: str | None = None
    body: Claim | None = None
    content_type: str | None = None
    name: str | None = None

    def likeness(self, stages: Sequence[str], options: Options) -> str:
        """Tells which jobs do the same: the same source, stages and options."""
        return likeness(
            stages,
            options,
            url=self.url,
            body_sha256=None if self.body is None else self.body.sha256,
            content_type=self.content_type,
            name=self.name,
        )


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed, for a program and for a person."""

    code: str
    message: str
    stage: str | None = None
    traceback: str | None = field(default=None, repr=False)
    """Of a defect; kept in the record, not shown to clients."""

    @property
    def retry_helps(self) -> bool:
        """Whether submitting the same job later could end differently."""
        known = CODES.get(self.code)
        return known is not None and known.retry_helps

    @property
    def is_waited_for(self) -> bool:
        """Whether a stage waits because of it as long as its job may take."""
        known = CODES.get(self.code)
        return known is not None and known.is_waited_for


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job as it is accepted."""

    id: str
    """Made of `created_at` by `uuid7`, so that the order of ids is the order of these moments."""
    tenant_id: str
    pipeline: str
    stages: tuple[str, ...]
    source: JobSource
    options: Options
    lane: Lane
    created_at: datetime
    deadline_at: datetime
    terms: JobTerms = field(default_factory=JobTerms)
    batch_id: str | None = None
    batch_index: int | None = None
    """Which item of its batch it is, from 0."""

    @property
    def likeness(self) -> str:
        """Tells which jobs do the same."""
        return self.source.likeness(self.stages, self.options)

    @property
    def content_bytes(self) -> int:
        """Size of the content that came with it."""
        return 0 if self.source.body is None else self.source.body.size

    @property
    def delay_s(self) -> float:
        """How long after its acceptance the first stage is due."""
        return self.due_in_s(self.created_at)

    def due_in_s(self, at: datetime) -> float:
        """How long after this moment the first stage is due."""
        due_at = self.terms.not_before
        return 0.0 if due_at is None else max(0.0, (due_at - at).total_seconds())


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a stage. `epoch` numbers all of them, postponed and lost ones included."""

    epoch: int
    started_at: datetime
    finished_at: datetime | None = None
    outcome: str | None = None
    """`succeeded`, `split`, `retried`, `postponed`, `returned` (its input was lost), `failed`, `cancelled` or `lost`.

    None while it runs.
    """
    duration_s: float | None = None
    error: JobError | None = None
    spent: Spent = NOTHING
    """On language models."""


@dataclass(frozen=True, slots=True)
class PartCount:
    """How far a stage is that is done in parts. When it is split again the count begins anew."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class StageRecord:
    """One stage of one run, or a part of it, as recorded."""

    stage: str
    position: int
    part: int
    state: StageState
    attempts: int
    """Attempts spent; postponed and lost ones are not. Counted anew when its output was lost."""
    losses: int
    """Workers that died while running it."""
    launches: int
    """Messages published for it."""
    started_at: datetime | None
    """Start of the latest attempt."""
    finished_at: datetime | None
    duration_s: float | None
    """Of the attempt that succeeded."""
    not_before_s: float
    """Epoch seconds on the record's own clock before which it may not start; 0 for at once."""
    claim: Claim | None
    error: JobError | None
    """Of the latest attempt that did not succeed."""
    reruns: int = 0
    """How often its output was lost and it became ready again."""
    stale_writes: int = 0
    """Results refused because their worker had been taken for dead."""
    tries: tuple[Attempt, ...] = ()
    """The latest `RECENT_TRIES` attempts, in order."""
    parts: PartCount | None = None
    """None when it is done whole, and of parts."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job with one of its runs, the current one unless another was asked for."""

    id: str
    tenant_id: str
    pipeline: str
    stage_names: tuple[str, ...]
    source: JobSource
    options: Options
    lane: Lane
    """As submitted; a run may have another."""
    state: JobState
    run: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime
    error: JobError | None
    result: Claim | None
    stages: tuple[StageRecord, ...] = ()
    """Stages of the run in order, as wholes; empty in listings."""
    discarded_at: datetime | None = None
    """When somebody said that this failed job needs no more attention."""
    terms: JobTerms = field(default_factory=JobTerms)
    batch_id: str | None = None
    batch_index: int | None = None
    """Which item of its batch it is, from 0."""
    spent: Spent = NOTHING
    """On language models in all of its runs; nothing in listings."""

    @property
    def current_stage(self) -> StageRecord | None:
        """The first stage that has not succeeded; None when all have, or in listings."""
        return next((stage for stage in self.stages if stage.state is not StageState.SUCCEEDED), None)

    @property
    def progress(self) -> int:
        """Stages done, in percent."""
        return 100 if self.state is JobState.SUCCEEDED else percent_done([stage.state for stage in self.stages])


def percent_done(states: Sequence[StageState]) -> int:
    """Share of stages that have succeeded; a running or split one counts for half.

    >>> percent_done([StageState.SUCCEEDED, StageState.RUNNING, StageState.WAITING, StageState.WAITING])
    37
    """
    weights = {StageState.SUCCEEDED: 2, StageState.RUNNING: 1, StageState.SPLIT: 1}
    done = sum(weights.get(state, 0) for state in states)
    return done * 100 // (2 * len(states)) if states else 0
