"""The records in memory: the twin that unit tests run on, held to the same contract as the database."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from threading import RLock

from pipeline.errors import JobFinished, JobNotFound
from pipeline.ids import Claim, Hold, StageKey, canonical_uuid
from pipeline.job import (
    MAX_LOSSES,
    Grant,
    Job,
    JobError,
    JobState,
    NewJob,
    Refusal,
    Refused,
    StageState,
    Suspect,
    priority_of,
)
from pipeline.memory_jobs import KeptJob, KeptStage, new_job, new_stage
from pipeline.ports import Finished, Page, Renewal
from pipeline.verdicts import why_refused, worker_lost
from stages.contract import Clock


class MemoryRecords:
    """`Records` in a dictionary. The record's own clock is the given one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, KeptJob] = {}
        self._lock = RLock()

    # acceptance

    def accept(self, job: NewJob) -> None:
        """Record a new job."""
        with self._lock:
            stages = [new_stage(job, position) for position in range(len(job.stages))]
            stages[0].launch(self._now_s())
            self._kept[job.id] = KeptJob(new_job(job), stages)

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

    def claim(self, key: StageKey, *, owner: str, lease_s: float, at: datetime) -> Grant | Refused:  # noqa: ARG002 - never shown
        """Take a ready and due stage of a live run."""
        with self._lock:
            now_s = self._now_s()
            kept, stage = self._kept.get(key.job_id), self._stage(key)
            if kept is None or stage is None:
                return Refused(Refusal.OVER)
            if not _is_due(kept.job, stage, now_s):
                return why_refused(kept.job, stage.record, run=key.run, now_s=now_s)
            kept.start(stage, now_s + lease_s, at)
            return kept.grant(stage, now_s)

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

    def unstarted(self, *, older_than_s: float, except_stages: Collection[str] = (), limit: int) -> Sequence[Suspect]:
        """Ready and due stages with no attempt for this long since their latest launch."""
        now_s = self._now_s()

        def is_unstarted(stage: KeptStage) -> bool:
            due = stage.state is StageState.READY and stage.record.not_before_s <= now_s
            in_line = stage.launched_at_s is not None and stage.key.stage in except_stages
            return due and not in_line and stage.is_overdue(now_s, older_than_s)

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
                kept.expire(at)
            return len(longest_first)

    def resume_interrupted(self, *, at: datetime) -> int:
        """Make every running stage ready to be launched at once, counting no loss."""
        with self._lock:
            stages = [stage for kept in self._kept.values() for stage in kept.stages]
            running = [stage for stage in stages if stage.state is StageState.RUNNING]
            for stage in running:
                stage.become(StageState.READY)
                stage.launched_at_s = None
                stage.cut_off("lost", at)
            for stage in stages:
                if stage.state is StageState.READY and stage.epoch > 0:
                    stage.launched_at_s = None
            return len(running)

    def check(self) -> None:
        """Memory always answers."""

    def _now_s(self) -> float:
        return self._clock.now().timestamp()

    def _stage(self, key: StageKey) -> KeptStage | None:
        kept = self._kept.get(key.job_id)
        return None if kept is None else kept.stage(key)

    def _held(self, hold: Hold) -> KeptStage | None:
        stage = self._stage(hold.key)
        current = stage is not None and stage.state is StageState.RUNNING and stage.epoch == hold.epoch
        return stage if current else None

    def _is_cancelled(self, key: StageKey) -> bool:
        kept, stage = self._kept.get(key.job_id), self._stage(key)
        if kept is None or stage is None:
            return False
        return JobState.CANCELLED is kept.job.state or StageState.CANCELLED is stage.state

    def _has_lapsed(self, stage: KeptStage) -> bool:
        return stage.state is StageState.RUNNING and stage.lease_until_s < self._now_s()

    def _of_tenant(self, tenant_id: str, job_id: str) -> KeptJob | None:
        kept = self._kept.get(canonical_uuid(job_id) or "")
        return kept if kept is not None and kept.job.tenant_id == tenant_id else None

    def _unfinished(self) -> Iterator[KeptJob]:
        return (kept for _, kept in sorted(self._kept.items()) if not kept.job.state.is_terminal)

    def _suspects(self, limit: int, is_suspect: Callable[[KeptStage], bool]) -> list[Suspect]:
        with self._lock:
            found = [kept.suspect(stage) for kept in self._unfinished() for stage in kept.stages if is_suspect(stage)]
        return sorted(found, key=lambda suspect: priority_of(suspect.lane))[:limit]

    def _go_on(self, kept: KeptJob, stage: KeptStage, claim: Claim, at: datetime) -> None:
        following = [other for other in kept.stages if other.record.position == stage.record.position + 1]
        for other in following:
            other.launch(self._now_s())
        if not following:
            kept.become(JobState.SUCCEEDED, finished_at=at, result=claim)


def _is_due(job: Job, stage: KeptStage, now_s: float) -> bool:
    return not job.state.is_terminal and stage.state is StageState.READY and stage.record.not_before_s <= now_s
