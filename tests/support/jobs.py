"""Jobs to put into records, and the world the contract tests run them in."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import count
from random import Random
from typing import Any

from sqlalchemy import create_engine, update

from orchestration.storage.schema import deliveries, held_jobs, markers, page_flights, stages, webhooks
from pipeline.ids import Claim, Hold, StageKey, uuid7
from pipeline.job import Job, JobError, JobSource, Lane, NewJob, StageRecord
from pipeline.ports import Finished, Records
from pipeline.work import Grant, Suspect
from stages.contract import Options
from tests.support.tools import START

STAGES = ("fetch", "extract", "store")
TENANT = "default"
LEASE_S = 30.0
MESSAGE = "publisher.1"
"""The id of the message that stages are claimed for."""
BROKEN = JobError("dns_failure", "The host name could not be resolved.", "fetch")

_ages = count()
_random = Random(7)


def new_job(**changes: Any) -> NewJob:
    """A job that has a day to finish; newer than all before it, unless it says when it was created."""
    created_at = changes.get("created_at", START + timedelta(milliseconds=next(_ages)))
    values: dict[str, Any] = {
        "id": str(uuid7(created_at, _random)),
        "tenant_id": TENANT,
        "pipeline": "extract",
        "stages": STAGES,
        "source": JobSource(url="https://example.org/"),
        "options": Options(),
        "lane": Lane.NORMAL,
        "created_at": created_at,
        "deadline_at": created_at + timedelta(days=1),
    }
    return NewJob(**{**values, **changes})


def ended(seconds: float = 2.0) -> Finished:
    """An attempt's end, this long after `START`."""
    return Finished(START + timedelta(seconds=seconds), seconds)


def output_of(stage: str) -> Claim:
    """The claim of some output of a stage."""
    return Claim(f"{TENANT}/job/1/{stage}.0", sha256(stage.encode()).hexdigest(), len(stage), "text/plain")


def key_of(job: NewJob, stage: str = STAGES[0], run: int = 1) -> StageKey:
    return StageKey(job.id, run, stage)


def refused_once(job: Job, stage: str) -> Job:
    """The same job after one stale write of a stage."""
    counted = (replace(each, stale_writes=each.stale_writes + (each.stage == stage)) for each in job.stages)
    return replace(job, stages=tuple(counted))


@dataclass(frozen=True)
class World:
    """Records under test, with a way to let time pass on their own clock."""

    records: Records
    pass_time: Callable[[float], None]

    def accept(self, **changes: Any) -> NewJob:
        job = new_job(**changes)
        self.records.accept(job)
        return job

    def read(self, job: NewJob) -> Job:
        found = self.records.job(job.tenant_id, job.id)
        assert found is not None
        return found

    def stage(self, job: NewJob, stage: str = STAGES[0]) -> StageRecord:
        return next(record for record in self.read(job).stages if record.stage == stage)

    def claim(self, job: NewJob, stage: str = STAGES[0], at: datetime = START, run: int = 1) -> Grant:
        key = key_of(job, stage, run)
        granted = self.records.claim(key, owner="worker", message_id=MESSAGE, lease_s=LEASE_S, at=at)
        assert isinstance(granted, Grant), granted
        return granted

    def hold(self, job: NewJob, stage: str = STAGES[0], run: int = 1) -> Hold:
        granted = self.claim(job, stage, run=run)
        return Hold(granted.key, granted.epoch)

    def do(self, job: NewJob, *names: str, run: int = 1, at: datetime = START) -> None:
        """Claim these stages and complete them 2 seconds after `at`."""
        for name in names:
            end = Finished(at + timedelta(seconds=2), 2.0)
            assert self.records.complete(self.hold(job, name, run), output_of(name), end)

    def fail(self, job: NewJob, stage: str = STAGES[0], run: int = 1, **error: Any) -> None:
        """Claim a stage and fail it."""
        failed = replace(BROKEN, stage=stage, **error)
        assert self.records.fail(self.hold(job, stage, run), failed, spends=True, ended=ended())

    def lapse(self, job: NewJob, stage: str = STAGES[0]) -> Suspect:
        """Claim a stage, let its lease run out, and return the suspect."""
        self.hold(job, stage)
        self.pass_time(LEASE_S + 1)
        return next(suspect for suspect in self.records.lapsed(limit=100) if suspect.key.job_id == job.id)


def move_into_the_past(url: str, seconds: float) -> None:
    """Let time pass for a database, whose clock cannot be set: move what it compares with back instead."""
    moments = (stages.c.not_before, stages.c.lease_until, stages.c.launched_at, stages.c.parked_since)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(update(stages).values({moment.name: moment - seconds for moment in moments}))
        connection.execute(update(held_jobs).values(not_before=held_jobs.c.not_before - seconds))
        connection.execute(update(markers).values(until=markers.c.until - seconds))
        flight = {"since": page_flights.c.since - seconds, "until": page_flights.c.until - seconds}
        connection.execute(update(page_flights).values(flight))
        due_at, lease_until = (moment - seconds for moment in (deliveries.c.due_at, deliveries.c.lease_until))
        connection.execute(update(deliveries).values(due_at=due_at, lease_until=lease_until))
        connection.execute(update(webhooks).values(paused_until=webhooks.c.paused_until - seconds))
    engine.dispose()
