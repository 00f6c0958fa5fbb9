"""How one attempt can end, and what an error means for its stage. Values and rules; nothing here acts."""

import traceback
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

from pipeline.composition import AnyStage
from pipeline.errors import MachineryFailed, PayloadLost
from pipeline.ids import Claim
from pipeline.job import JobError
from pipeline.work import Division, Grant
from stages.contract import CODES, Awaited, Permanent, Postponed, RetryPolicy, StageError, Transient
from stages.contract.errors import Cancelled as JobCancelled

MAX_PARKED_S = 15 * 60
"""How long a stage may be postponed for one dependency before it fails, in seconds."""
LAST_LOOK_S = 60.0
"""How long before its deadline a job that waits for a limit of this installation looks once more, in seconds."""
MACHINERY_DELAY_S = 5.0
"""Pause before a stage is tried again when a part of the installation is down, in seconds."""


@dataclass(frozen=True, slots=True)
class Done:
    """The stage's output is recorded; the chain goes on with this claim."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class Split:
    """The stage is to be done in parts, one for each of these inputs."""

    inputs: tuple[Claim, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Divided:
    """It is recorded that a stage is done in parts, or that one of them is done. What is ready is to be published."""

    division: Division
    claim: Claim | None = None
    """What came of the part; None when the stage was split."""

    @property
    def hands_on(self) -> Claim | None:
        """What the chain goes on with, when this was the last part and its stage is next."""
        return self.claim if self.division.is_done else None


@dataclass(frozen=True, slots=True)
class Early:
    """Delivered before it is due; nothing was claimed."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class Again:
    """To be delivered again after a delay."""

    delay_s: float
    error: JobError
    spends: bool = False
    parks: bool = True
    """Whether the delay counts as waiting for a dependency that does not work; waiting for one's turn does not."""


@dataclass(frozen=True, slots=True)
class Dead:
    """The stage failed for good, and the job with it."""

    error: JobError
    spends: bool = True


@dataclass(frozen=True, slots=True)
class Returned:
    """What the stage reads is lost: the stage that made it runs again, or the job fails with this error."""

    error: JobError
    claim_key: str


@dataclass(frozen=True, slots=True)
class Superseded:
    """Somebody else owns or owned this piece of work; there is nothing to do."""


@dataclass(frozen=True, slots=True)
class Stale:
    """The work was done, and what came of it is refused: its hold was taken away meanwhile."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The job was cancelled."""


Outcome = Done | Split | Divided | Early | Again | Dead | Returned | Superseded | Stale | Cancelled


def judge(  # noqa: PLR0911  # one line a kind of error
    error: Exception, stage: AnyStage, grant: Grant, now: datetime, random: Random
) -> Outcome:
    """What an error means for the stage. A rule: it changes nothing."""
    match error:
        case JobCancelled():
            return Cancelled()
        case Awaited():
            return _unless_too_late(Again(error.delay_s, _described(error, grant), parks=False), grant, now)
        case Postponed():
            return _postponed(error, grant, now)
        case Transient():
            return _transient(error, stage, grant, now, random)
        case Permanent():
            return Dead(_described(error, grant))
        case PayloadLost():
            return Returned(JobError(error.code, CODES[error.code].meaning, grant.key.stage), error.key)
        case MachineryFailed():
            return Again(MACHINERY_DELAY_S, JobError("storage_unavailable", str(error), grant.key.stage))
        case _:
            return Dead(_defect(error, grant))


def _postponed(error: Postponed, grant: Grant, now: datetime) -> Outcome:
    if CODES[error.code].is_waited_for:
        return _unless_too_late(Again(_within(error.delay_s, grant, now), _described(error, grant)), grant, now)
    parked_s = grant.parked_s + error.delay_s
    if parked_s > MAX_PARKED_S:
        return Dead(JobError("dependency_unavailable", error.message, grant.key.stage), spends=False)
    return _unless_too_late(Again(error.delay_s, _described(error, grant)), grant, now)


def _within(delay_s: float, grant: Grant, now: datetime) -> float:
    """A wait that may be longer than the job has: what is waited for may come sooner, so it looks once more in time."""
    remaining_s = (grant.deadline_at - now).total_seconds()
    return min(delay_s, remaining_s - LAST_LOOK_S) if remaining_s > 2 * LAST_LOOK_S else delay_s


def _transient(error: Transient, stage: AnyStage, grant: Grant, now: datetime, random: Random) -> Outcome:
    attempts, policy = grant.attempts + 1, _policy(stage, grant)
    if not policy.allows_another(attempts):
        return Dead(_described(error, grant))
    delay_s = policy.delay_s(attempts, random)
    return _unless_too_late(Again(delay_s, _described(error, grant), spends=True), grant, now)


def is_last_attempt(stage: AnyStage, grant: Grant) -> bool:
    """Whether an error that spends this attempt would be the end."""
    return not _policy(stage, grant).allows_another(grant.attempts + 1)


def _policy(stage: AnyStage, grant: Grant) -> RetryPolicy:
    return stage.retry if grant.max_attempts is None else replace(stage.retry, max_attempts=grant.max_attempts)


def _unless_too_late(again: Again, grant: Grant, now: datetime) -> Outcome:
    if now + timedelta(seconds=again.delay_s) < grant.deadline_at:
        return again
    message = f"The next attempt would start after the job's deadline. The last one said: {again.error.message}"
    return Dead(JobError("deadline_exceeded", message, grant.key.stage), spends=again.spends)


def _described(error: StageError, grant: Grant) -> JobError:
    return JobError(error.code, error.message, grant.key.stage)


def _defect(error: Exception, grant: Grant) -> JobError:
    text = "".join(traceback.format_exception(error))
    return JobError("internal_error", f"{type(error).__name__} in {grant.key.stage}", grant.key.stage, text)
