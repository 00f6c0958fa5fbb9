"""The records in memory: the twin that unit tests run on, held to the same contract as the database."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import RLock
from typing import Any

from pipeline.errors import IllegalTransition, JobFinished, JobNotFound
from pipeline.ids import WHOLE, Claim, Hold, StageKey, canonical_uuid
from pipeline.job import (
    FIRST_RUN,
    MAX_LOSSES,
    RECENT_TRIES,
    Attempt,
    Grant,
    Job,
    JobError,
    JobState,
    NewJob,
    Refusal,
    Refused,
    StageRecord,
    StageState,
    Suspect,
    job_sources,
    priority_of,
    require_legal,
)
from pipeline.ports import Finished, Page, Renewal
from pipeline.verdicts import deadline_exceeded, why_refused, worker_lost
from stages.contract import Clock

MAX_DOUBLINGS = 6


@dataclass
class _Stage:
    """A stage's record and what only the records themselves look at."""

    key: StageKey
    record: StageRecord
    epoch: int = 0
    lease_until_s: float = 0.0
    launched_at_s: float | None = None
    relaunches: int = 0
    parked_since_s: float | None = None
    tries: list[Attempt] = field(default_factory=list)

    @property
    def state(self) -> StageState:
        return self.record.state

    def become(self, target: StageState, **changes: Any) -> None:
        require_legal(self.state, target)
        self.record = replace(self.record, state=target, **changes)

    def launch(self, now_s: float, **changes: Any) -> None:
        self.launched_at_s = now_s
        self.become(StageState.READY, launches=self.record.launches + 1, **changes)

    def end_try(self, outcome: str, ended: Finished, error: JobError | None = None) -> None:
        latest = replace(self.tries[-1], finished_at=ended.at, outcome=outcome, duration_s=ended.duration_s)
        self.tries[-1] = replace(latest, error=error)

    def cut_off(self, outcome: str, at: datetime, error: JobError | None = None) -> None:
        if self.tries and self.tries[-1].outcome is None:
            self.tries[-1] = replace(self.tries[-1], finished_at=at, outcome=outcome, error=error)

    def is_overdue(self, now_s: float, older_than_s: float) -> bool:
        if self.launched_at_s is None:
            return True
        doubled_s = older_than_s * (1 << min(self.relaunches, MAX_DOUBLINGS))
        return max(self.launched_at_s, self.record.not_before_s) + doubled_s < now_s


@dataclass
class _Kept:
    """A job and the stages of its run, in order."""

    job: Job
    stages: list[_Stage]

    def stage(self, key: StageKey) -> _Stage | None:
        return next((stage for stage in self.stages if stage.key == key), None)

    def become(self, target: JobState, **changes: Any) -> None:
        if self.job.state not in job_sources(target):
            raise IllegalTransition(f"a job cannot go from {self.job.state} to {target}")
        self.job = replace(self.job, state=target, **changes)

    def fail(self, error: JobError, at: datetime) -> None:
        self.become(JobState.FAILED, error=error, finished_at=at)
        self.cancel_rest(at)

    def cancel_rest(self, at: datetime) -> None:
        for stage in self.stages:
            if not stage.state.is_terminal:
                stage.become(StageState.CANCELLED, finished_at=at)
                stage.cut_off("cancelled", at)

    def seen(self) -> Job:
        records = (replace(stage.record, tries=tuple(stage.tries[-RECENT_TRIES:])) for stage in self.stages)
        return replace(self.job, stages=tuple(records))

    def suspect(self, stage: _Stage) -> Suspect:
        return Suspect(
            key=stage.key,
            tenant_id=self.job.tenant_id,
            stages=self.job.stage_names,
            lane=self.job.lane,
            launches=stage.record.launches,
            losses=stage.record.losses,
            epoch=stage.epoch,
        )


class MemoryRecords:
    """`Records` in a dictionary. The record's own clock is the given one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._lock = RLock()

    # acceptance

    def accept(self, job: NewJob) -> None:
        """Record a new job."""
        with self._lock:
            stages = [_new_stage(job, position) for position in range(len(job.stages))]
            stages[0].launch(self._now_s())
            self._kept[job.id] = _Kept(_new_job(job), stages)

    def unlaunch(self, key: StageKey) -> None:
        """Say that the message counted as launched was not published."""
        with self._lock:
            stage = self._stage(key)
            if stage is not None and stage.state is StageState.READY:
                stage.launched_at_s = None

    def request_cancel(self, tenant_id: str, job_id: str, at: datetime) -> Job:
        """Cancel a job at once."""
        with self._lock:
            kept = self._of_tenant(tenant_id, job_id)
            if kept is None:
                raise JobNotFound(job_id)
            if kept.job.state is JobState.CANCELLED:
                return kept.seen()
            if kept.job.state.is_terminal:
                raise JobFinished(job_id, kept.job.state)
            kept.become(JobState.CANCELLED, finished_at=at)
            kept.cancel_rest(at)
            return kept.seen()

    # attempts

    def claim(self, key: StageKey, *, owner: str, lease_s: float, at: datetime) -> Grant | Refused:
        """Take a ready and due stage of a live run."""
        with self._lock:
            now_s = self._now_s()
            kept, stage = self._kept.get(key.job_id), self._stage(key)
            if kept is None or stage is None:
                return Refused(Refusal.OVER)
            if not _is_due(kept.job, stage, now_s):
                return why_refused(kept.job, stage.record, run=key.run, now_s=now_s)
            _start(kept, stage, now_s + lease_s, at)
            return _grant(kept, stage, now_s)

    def renew(self, holds: Collection[Hold], *, lease_s: float) -> Renewal:
        """Extend the leases of all these holds."""
        with self._lock:
            held = {hold: self._held(hold) for hold in holds}
            for stage in held.values():
                if stage is not None:
                    stage.lease_until_s = self._now_s() + lease_s
            gone = {hold for hold, stage in held.items() if stage is None}
            cancelled = frozenset(hold for hold in gone if self._is_cancelled(hold.key))
            return Renewal(lost=frozenset(gone - cancelled), cancelled=cancelled)

    def complete(self, hold: Hold, claim: Claim, ended: Finished) -> bool:
        """Record a stage's output and make the next stage ready."""
        with self._lock:
            stage = self._held(hold)
            if stage is None:
                return False
            times = {"finished_at": ended.at, "duration_s": ended.duration_s}
            spent = stage.record.attempts + 1
            stage.become(StageState.SUCCEEDED, attempts=spent, claim=claim, error=None, **times)
            stage.end_try("succeeded", ended)
            self._go_on(self._kept[hold.key.job_id], stage, claim, ended.at)
            return True

    def release(self, hold: Hold, error: JobError, *, delay_s: float, spends: bool, ended: Finished) -> bool:
        """Give a stage back to be tried again after a delay."""
        with self._lock:
            stage = self._held(hold)
            if stage is None:
                return False
            now_s = self._now_s()
            spent = stage.record.attempts + spends
            stage.launch(now_s, not_before_s=now_s + delay_s, error=error, attempts=spent)
            parked_since_s = now_s if stage.parked_since_s is None else stage.parked_since_s
            stage.parked_since_s = None if spends else parked_since_s
            stage.end_try("retried" if spends else "postponed", ended, error)
            return True

    def fail(self, hold: Hold, error: JobError, *, spends: bool, ended: Finished) -> bool:
        """Fail a stage and with it run and job."""
        with self._lock:
            stage = self._held(hold)
            if stage is None:
                return False
            spent = stage.record.attempts + spends
            stage.become(StageState.FAILED, error=error, attempts=spent, finished_at=ended.at)
            stage.end_try("failed", ended, error)
            self._kept[hold.key.job_id].fail(error, ended.at)
            return True

    # reading

    def job(self, tenant_id: str, job_id: str) -> Job | None:
        """A job with the stages of its current run."""
        with self._lock:
            kept = self._of_tenant(tenant_id, job_id)
            return None if kept is None else kept.seen()

    def jobs(self, tenant_id: str, *, state: JobState | None, before: str | None, limit: int) -> Page:
        """Jobs, newest first, without their stages."""
        with self._lock:
            known = sorted((kept.job for kept in self._kept.values()), key=lambda job: job.id, reverse=True)
        ceiling = None if before is None else canonical_uuid(before) or ""
        found = [
            job
            for job in known
            if job.tenant_id == tenant_id
            and (state is None or job.state is state)
            and (ceiling is None or job.id < ceiling)
        ]
        return Page(tuple(found[:limit]), more=len(found) > limit)

    # keeping

    def lapsed(self, *, limit: int) -> Sequence[Suspect]:
        """Running stages whose lease ran out."""
        return self._suspects(limit, self._has_lapsed)

    def reclaim(self, suspect: Suspect, *, at: datetime) -> bool:
        """Make a lapsed stage ready again and count the loss."""
        with self._lock:
            stage = self._held(Hold(suspect.key, suspect.epoch))
            if stage is None or not self._has_lapsed(stage):
                return False
            losses = stage.record.losses + 1
            error = worker_lost(suspect.key.stage, losses)
            stage.cut_off("lost", at, error)
            if losses < MAX_LOSSES:
                stage.launch(self._now_s(), losses=losses)
                return True
            stage.become(StageState.FAILED, losses=losses, error=error, finished_at=at)
            self._kept[suspect.key.job_id].fail(error, at)
            return False

    def unstarted(self, *, older_than_s: float, limit: int) -> Sequence[Suspect]:
        """Ready and due stages with no attempt for this long since their latest launch."""
        now_s = self._now_s()

        def is_unstarted(stage: _Stage) -> bool:
            due = stage.state is StageState.READY and stage.record.not_before_s <= now_s
            return due and stage.is_overdue(now_s, older_than_s)

        return self._suspects(limit, is_unstarted)

    def relaunch(self, suspect: Suspect) -> bool:
        """Count one more launch."""
        with self._lock:
            stage = self._stage(suspect.key)
            if stage is None or stage.state is not StageState.READY:
                return False
            if (stage.epoch, stage.record.launches) != (suspect.epoch, suspect.launches):
                return False
            stage.record = replace(stage.record, launches=suspect.launches + 1)
            stage.launched_at_s = self._now_s()
            stage.relaunches += 1
            return True

    def expire(self, *, at: datetime, limit: int) -> int:
        """Fail unfinished jobs whose deadline has passed."""
        with self._lock:
            late = [kept for kept in self._unfinished() if kept.job.deadline_at <= at]
            longest_first = sorted(late, key=lambda kept: kept.job.deadline_at)[:limit]
            for kept in longest_first:
                _expire(kept, at)
            return len(longest_first)

    def resume_interrupted(self, *, at: datetime) -> int:
        """Make every running stage ready to be launched at once, counting no loss."""
        with self._lock:
            stages = (stage for kept in self._kept.values() for stage in kept.stages)
            running = [stage for stage in stages if stage.state is StageState.RUNNING]
            for stage in running:
                stage.become(StageState.READY)
                stage.launched_at_s = None
                stage.cut_off("lost", at)
            return len(running)

    def check(self) -> None:
        """Memory always answers."""

    def _now_s(self) -> float:
        return self._clock.now().timestamp()

    def _stage(self, key: StageKey) -> _Stage | None:
        kept = self._kept.get(key.job_id)
        return None if kept is None else kept.stage(key)

    def _held(self, hold: Hold) -> _Stage | None:
        stage = self._stage(hold.key)
        current = stage is not None and stage.state is StageState.RUNNING and stage.epoch == hold.epoch
        return stage if current else None

    def _is_cancelled(self, key: StageKey) -> bool:
        kept, stage = self._kept.get(key.job_id), self._stage(key)
        if kept is None or stage is None:
            return False
        return JobState.CANCELLED is kept.job.state or StageState.CANCELLED is stage.state

    def _has_lapsed(self, stage: _Stage) -> bool:
        return stage.state is StageState.RUNNING and stage.lease_until_s < self._now_s()

    def _of_tenant(self, tenant_id: str, job_id: str) -> _Kept | None:
        kept = self._kept.get(canonical_uuid(job_id) or "")
        return kept if kept is not None and kept.job.tenant_id == tenant_id else None

    def _unfinished(self) -> Iterator[_Kept]:
        return (kept for _, kept in sorted(self._kept.items()) if not kept.job.state.is_terminal)

    def _suspects(self, limit: int, is_suspect: Callable[[_Stage], bool]) -> list[Suspect]:
        with self._lock:
            found = [kept.suspect(stage) for kept in self._unfinished() for stage in kept.stages if is_suspect(stage)]
        return sorted(found, key=lambda suspect: priority_of(suspect.lane))[:limit]

    def _go_on(self, kept: _Kept, stage: _Stage, claim: Claim, at: datetime) -> None:
        following = [other for other in kept.stages if other.record.position == stage.record.position + 1]
        for other in following:
            other.launch(self._now_s())
        if not following:
            kept.become(JobState.SUCCEEDED, finished_at=at, result=claim)


def _new_job(new: NewJob) -> Job:
    return Job(
        id=new.id,
        tenant_id=new.tenant_id,
        pipeline=new.pipeline,
        stage_names=new.stages,
        source=new.source,
        options=new.options,
        lane=new.lane,
        state=JobState.QUEUED,
        run=FIRST_RUN,
        created_at=new.created_at,
        started_at=None,
        finished_at=None,
        deadline_at=new.deadline_at,
        error=None,
        result=None,
    )


def _new_stage(new: NewJob, position: int) -> _Stage:
    name = new.stages[position]
    record = StageRecord(
        stage=name,
        position=position,
        part=WHOLE,
        state=StageState.WAITING,
        attempts=0,
        losses=0,
        launches=0,
        started_at=None,
        finished_at=None,
        duration_s=None,
        not_before_s=0.0,
        claim=None,
        error=None,
    )
    return _Stage(StageKey(new.id, FIRST_RUN, name), record)


def _is_due(job: Job, stage: _Stage, now_s: float) -> bool:
    return not job.state.is_terminal and stage.state is StageState.READY and stage.record.not_before_s <= now_s


def _start(kept: _Kept, stage: _Stage, lease_until_s: float, at: datetime) -> None:
    stage.become(StageState.RUNNING, started_at=at)
    stage.epoch += 1
    stage.lease_until_s = lease_until_s
    stage.relaunches = 0
    stage.tries.append(Attempt(stage.epoch, at))
    if kept.job.state is JobState.QUEUED:
        kept.become(JobState.RUNNING, started_at=at)


def _grant(kept: _Kept, stage: _Stage, now_s: float) -> Grant:
    job, record = kept.job, stage.record
    return Grant(
        key=stage.key,
        epoch=stage.epoch,
        attempts=record.attempts,
        losses=record.losses,
        parked_s=0.0 if stage.parked_since_s is None else now_s - stage.parked_since_s,
        tenant_id=job.tenant_id,
        pipeline=job.pipeline,
        source=job.source,
        options=job.options,
        lane=job.lane,
        created_at=job.created_at,
        deadline_at=job.deadline_at,
        done=tuple(other.record for other in kept.stages if other.record.position < record.position),
    )


def _expire(kept: _Kept, at: datetime) -> None:
    current = next(stage for stage in kept.stages if stage.state is not StageState.SUCCEEDED)
    error = deadline_exceeded(current.key.stage)
    for stage in kept.stages:
        if stage.state in (StageState.READY, StageState.RUNNING):
            stage.become(StageState.FAILED, error=error, finished_at=at)
            stage.cut_off("failed", at, error)
    kept.fail(error, at)
