"""What is announced of jobs while they run: a table of events, and what each outcome announces.

event             | when                                           | says besides
------------------|------------------------------------------------|-----------------------------
job.queued        | a run was accepted                             |
stage.started     | an attempt began                               | stage, attempt
stage.succeeded   | its output is recorded                         | stage
stage.progress    | it was split, or a part of it is done          | stage, parts_done, parts_total
stage.waiting     | it or a part will be tried again               | stage, code, message, delay_s
job.succeeded     | the result is recorded                         |
job.failed        | the run was given up                           | stage, code, message
job.cancelled     | somebody asked for it                          |

Beside them, and kept nowhere, goes the text that is being written: `summary.delta`, see `pipeline.deltas`.

An event is announced after what it says was committed. What only a lost worker could have announced may be missing
or come twice, but for the last event of a run: that one always comes, and once.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, Self

from pipeline.ids import StageKey
from pipeline.job import FIRST_RUN, Job, JobError, JobState, Lane, NewJob
from pipeline.outcome import Again, Dead, Divided, Done, Outcome, Returned
from pipeline.work import Division, Grant

NEW = timedelta(minutes=1)
"""How long the API may be about to say that a job was queued."""


class EventKind(StrEnum):
    """What happened."""

    JOB_QUEUED = "job.queued"
    STAGE_STARTED = "stage.started"
    STAGE_SUCCEEDED = "stage.succeeded"
    STAGE_PROGRESS = "stage.progress"
    STAGE_WAITING = "stage.waiting"
    JOB_SUCCEEDED = "job.succeeded"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"

    @property
    def is_last(self) -> bool:
        """Whether nothing of the same run comes after it."""
        return self in LAST.values()


LAST = {
    JobState.SUCCEEDED: EventKind.JOB_SUCCEEDED,
    JobState.FAILED: EventKind.JOB_FAILED,
    JobState.CANCELLED: EventKind.JOB_CANCELLED,
}


class _Run(Protocol):
    """What all who know a run know of it."""

    @property
    def tenant_id(self) -> str: ...
    @property
    def pipeline(self) -> str: ...
    @property
    def lane(self) -> Lane: ...
    @property
    def batch_id(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Topic:
    """Whose event it is: what subscribers choose by."""

    tenant_id: str
    job_id: str
    run: int
    pipeline: str
    lane: Lane
    batch_id: str | None = None

    @classmethod
    def of(cls, run: _Run, job_id: str, number: int) -> Self:
        return cls(run.tenant_id, job_id, number, run.pipeline, run.lane, run.batch_id)

    @classmethod
    def of_job(cls, job: Job) -> Self:
        return cls.of(job, job.id, job.run)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a run; what does not apply is None."""

    kind: EventKind
    topic: Topic
    at: datetime
    stage: str | None = None
    attempt: int | None = None
    """Numbers all attempts of a stage, postponed and lost ones included."""
    code: str | None = None
    message: str | None = None
    delay_s: float | None = None
    parts_done: int | None = None
    parts_total: int | None = None

    @property
    def once(self) -> str | None:
        """Names an event that two may announce, of which only the first is heard; None for the others."""
        if self.kind in (EventKind.STAGE_STARTED, EventKind.STAGE_PROGRESS, EventKind.STAGE_WAITING):
            return None
        return f"{self.topic.job_id}:{self.topic.run}:{self.stage if self.is_of_stage else ''}:{self.kind}"

    @property
    def is_of_stage(self) -> bool:
        """Whether it says something of one stage only."""
        return self.kind.startswith("stage.")

    def as_dict(self) -> dict[str, Any]:
        """As it is sent to subscribers of the tenant.

        >>> from datetime import UTC
        >>> topic = Topic("default", "0198", 1, "extract", Lane.NORMAL)
        >>> Event(EventKind.STAGE_STARTED, topic, datetime(2026, 11, 21, tzinfo=UTC), "fetch", 1).as_dict()
        ... # doctest: +NORMALIZE_WHITESPACE
        {'event': 'stage.started', 'job_id': '0198', 'run': 1, 'pipeline': 'extract', 'lane': 'normal',
         'at': '2026-11-21T00:00:00+00:00', 'stage': 'fetch', 'attempt': 1}
        """
        topic = self.topic
        said = {
            "batch_id": topic.batch_id,
            "stage": self.stage,
            "attempt": self.attempt,
            "code": self.code,
            "message": self.message,
            "delay_s": self.delay_s,
            "parts_done": self.parts_done,
            "parts_total": self.parts_total,
        }
        return {
            "event": str(self.kind),
            "job_id": topic.job_id,
            "run": topic.run,
            "pipeline": topic.pipeline,
            "lane": str(topic.lane),
            "at": self.at.isoformat(),
            **{name: value for name, value in said.items() if value is not None},
        }

    def as_json(self) -> str:
        """The same, as one line."""
        return json.dumps(self.as_dict(), separators=(",", ":"))


class Announcer(Protocol):
    """Where events are told. Nobody waits for those who listen."""

    def announce(self, *events: Event) -> bool:
        """Tell these events in order; returns whether they were heard. Never raises."""


def queued(job: Job | NewJob) -> Event:
    """A run was accepted."""
    run = job.run if isinstance(job, Job) else FIRST_RUN
    return Event(EventKind.JOB_QUEUED, Topic.of(job, job.id, run), job.created_at)


def started(grant: Grant, at: datetime) -> tuple[Event, ...]:
    """An attempt began. The first of a new job says also that it was queued: the API may not have said so yet.

    Of a part nothing is said before it is done.
    """
    if grant.is_part:
        return ()
    topic = Topic.of(grant, grant.key.job_id, grant.key.run)
    begun = Event(EventKind.STAGE_STARTED, topic, at, grant.key.stage, grant.epoch)
    is_first = (grant.epoch, grant.key.run, grant.done) == (1, FIRST_RUN, ())
    if is_first and at - grant.created_at < NEW:
        return Event(EventKind.JOB_QUEUED, topic, grant.created_at), begun
    return (begun,)


def ended(grant: Grant, outcome: Outcome, at: datetime) -> tuple[Event, ...]:
    """What the recorded outcome of an attempt announces."""
    topic, stage = Topic.of(grant, grant.key.job_id, grant.key.run), grant.key.stage
    match outcome:
        case Done():
            return succeeded(topic, stage, at, is_last=grant.is_last)
        case Divided(Division(count)):
            kind = EventKind.STAGE_PROGRESS
            return (Event(kind, topic, at, stage, parts_done=count.done, parts_total=count.total),)
        case Again(delay_s, error):
            waiting = _said(EventKind.STAGE_WAITING, topic, at, error)
            return (Event(**{**waiting, "attempt": None if grant.is_part else grant.epoch, "delay_s": delay_s}),)
        case Returned(error):
            return (Event(**_said(EventKind.STAGE_WAITING, topic, at, error)),)
        case Dead(error):
            return (Event(**_said(EventKind.JOB_FAILED, topic, at, error)),)
        case _:
            return ()


def succeeded(topic: Topic, stage: str, at: datetime, *, is_last: bool) -> tuple[Event, ...]:
    """A stage's output is recorded, and with that of the last stage the result."""
    done = Event(EventKind.STAGE_SUCCEEDED, topic, at, stage)
    return (done, Event(EventKind.JOB_SUCCEEDED, topic, at)) if is_last else (done,)


def done_before(job: Job, key: StageKey, at: datetime) -> tuple[Event, ...]:
    """What a worker that died after its stage was recorded may not have announced."""
    return succeeded(Topic.of(job, job.id, key.run), key.stage, at, is_last=job.stage_names[-1] == key.stage)


def over(job: Job) -> Event:
    """How the run of a finished job ended."""
    topic, at = Topic.of_job(job), job.finished_at or job.created_at
    if job.error is None:
        return Event(LAST[job.state], topic, at)
    return Event(**_said(LAST[job.state], topic, at, job.error))


def _said(kind: EventKind, topic: Topic, at: datetime, error: JobError) -> dict[str, Any]:
    return {
        "kind": kind,
        "topic": topic,
        "at": at,
        "stage": error.stage,
        "code": error.code,
        "message": error.message,
    }
