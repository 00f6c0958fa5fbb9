"""Work on stages and parts, as the records hand it out: to workers, and to those who publish what was not begun."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pipeline.ids import WHOLE, Claim, StageKey
from pipeline.job import Job, JobSource, Lane, PartCount, StageRecord
from stages.contract import Options


@dataclass(frozen=True, slots=True)
class Grant:
    """A piece of work that was claimed, with all that is needed to do it."""

    key: StageKey
    epoch: int
    attempts: int
    """Attempts spent before this one."""
    losses: int
    parked_s: float
    """How long the stage has been postponed without an attempt in between, in seconds."""
    tenant_id: str
    pipeline: str
    stages: tuple[str, ...]
    """All stages of the job."""
    source: JobSource
    options: Options
    lane: Lane
    """Of the job."""
    created_at: datetime
    deadline_at: datetime
    done: tuple[StageRecord, ...]
    """The stages before this one, in order."""
    max_attempts: int | None = None
    """That were asked for; None for what the stage declares."""
    batch_id: str | None = None
    not_before: datetime | None = None
    """The moment before which the job was not to start, if one was asked for."""
    level: int = 0
    """How often the stage was split in this run."""
    part_input: Claim | None = None
    """What a part reads."""
    results: tuple[Claim, ...] = ()
    """Of a stage whose parts are done: what came of them, in order. Empty when it is not split, and of parts."""

    @property
    def is_part(self) -> bool:
        return self.key.part != WHOLE

    @property
    def is_last(self) -> bool:
        """Whether the job is done when this is."""
        return self.stages[-1] == self.key.stage and not self.is_part

    @property
    def input(self) -> Claim | None:
        """The output of the stage before, or what a part reads; None for the first stage, which reads the source."""
        if self.is_part:
            return self.part_input
        return self.done[-1].claim if self.done else None


class Refusal(StrEnum):
    """Why a piece of work could not be claimed."""

    FINISHED = "finished"
    OWNED = "owned"
    NOT_DUE = "not_due"
    CANCELLED = "cancelled"
    SPLIT = "split"
    """Its parts are under way."""
    OVER = "over"
    """Failed, of a superseded run, its predecessor is unfinished, or it does not exist."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The answer when a piece of work could not be claimed."""

    why: Refusal
    claim: Claim | None = None
    """The recorded output, when finished."""
    job: Job | None = field(default=None, compare=False, repr=False)
    """Without its stages, when finished."""
    delay_s: float = 0.0
    """Until it is due, when not due."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A piece of work that is ready and may have no message, or whose worker may be dead."""

    key: StageKey
    tenant_id: str
    stages: tuple[str, ...]
    """All stages of the job; the chain from `key.stage` on is what is relaunched."""
    lane: Lane
    """Of the run."""
    launches: int
    losses: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Division:
    """How far a stage is that is done in parts, after a change."""

    count: PartCount
    ready: tuple[Suspect, ...] = ()
    """What the change made ready, counted as launched once more: the caller publishes it."""

    @property
    def is_done(self) -> bool:
        """Whether the stage itself is next, to put together what came of its parts."""
        return self.count.done == self.count.total
