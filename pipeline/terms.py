"""What may be asked of a job besides its work: how it is found again, when it is due, how often it is tried."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipeline.errors import InvalidSchedule

MAX_AHEAD = timedelta(days=366)
"""How far in the future a job may be due, or end."""


@dataclass(frozen=True, slots=True)
class JobTerms:
    """What was asked of a job besides its work; the same for all of its runs."""

    tags: tuple[str, ...] = ()
    """Each once, in the order they were given."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    not_before: datetime | None = None
    """When its first stage is due; None for at once."""
    max_attempts: int | None = None
    """Of each of its stages, the first included; None for what the stage declares."""
    webhook_id: str | None = None
    """Of the webhook that is told of its end, whatever that asks for."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job is due and when it has to have ended, as asked for. One of `not_before` and `delay_s` at most."""

    not_before: datetime | None = None
    delay_s: float | None = None
    expires_at: datetime | None = None

    def due_at(self, now: datetime) -> datetime | None:
        """The moment before which the job may not start; None for at once. Raises `InvalidSchedule`."""
        due_at = now + timedelta(seconds=self.delay_s) if self.delay_s else self.not_before
        if due_at is None or due_at <= now:
            return None
        _require_near("not_before", due_at, now)
        return due_at

    def deadline_at(self, now: datetime, lasts_s: float) -> datetime:
        """The moment at which the job fails if it has not ended, `lasts_s` after it is due unless asked otherwise.

        Raises `InvalidSchedule` when that is over before the job may start.
        """
        starts_at = self.due_at(now) or now
        if self.expires_at is None:
            return starts_at + timedelta(seconds=lasts_s)
        if self.expires_at <= starts_at:
            raise InvalidSchedule("expires_at has to be in the future, and after the moment at which the job is due")
        _require_near("expires_at", self.expires_at, now)
        return self.expires_at


def _require_near(name: str, moment: datetime, now: datetime) -> None:
    if moment > now + MAX_AHEAD:
        raise InvalidSchedule(f"{name} has to be within {MAX_AHEAD.days} days from now")
