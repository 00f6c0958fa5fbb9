"""Running a finished job again: where it stopped, or from a stage that is asked for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from celery import Celery

from orchestration.launch import launch_or_leave
from pipeline import events
from pipeline.events import Announcer
from pipeline.idempotency import IdempotencyKey
from pipeline.ids import StageKey
from pipeline.job import Job, Lane, StageState
from pipeline.offer import Offer
from pipeline.ports import Records
from pipeline.runs import NewRun
from pipeline.tenants import Allowance, unlimited
from stages.contract import Clock, Options


@dataclass(frozen=True, slots=True)
class Reruns:
    """Where another run of a finished job is asked for."""

    records: Records
    app: Celery
    announcer: Announcer
    clock: Clock
    job_deadline_s: float
    offer: Offer = field(default_factory=Offer)
    allowed: Callable[[str], Allowance] = unlimited
    """What a tenant may have; raises `RecordsUnavailable`."""

    def retry(self, tenant_id: str, job_id: str, key: IdempotencyKey | None = None) -> Job:
        """Continue a failed or cancelled job at the stage where it stopped.

        Raises `JobNotFound`, `JobUnfinished`, `JobFinished` when it succeeded, `InputExpired` or `QuotaExceeded`;
        if the request's key was used before, `AlreadyAnswered` or `IdempotencyKeyReused`.
        """
        return self._open(tenant_id, job_id, self.new_run(None, None), key)

    def replay(
        self,
        tenant_id: str,
        job_id: str,
        from_stage: str,
        options: Options | None = None,
        key: IdempotencyKey | None = None,
    ) -> Job:
        """Start a finished job again from a stage; `options` replace those of the run before.

        Raises `JobNotFound`, `JobUnfinished`, `UnknownStage` or `InputExpired`, about the key as `retry`, and `Refused`
        for options that are not on offer.
        """
        if options is not None:
            self.offer.check(options)
        return self._open(tenant_id, job_id, self.new_run(from_stage, options), key)

    def new_run(self, from_stage: str | None, options: Options | None, lane: Lane | None = None) -> NewRun:
        """A run that begins now and has as long as a new job; on the lane of the job unless another is given."""
        now = self.clock.now()
        deadline_at = now + timedelta(seconds=self.job_deadline_s)
        return NewRun(from_stage, options, deadline_at=deadline_at, at=now, lane=lane)

    def _open(self, tenant_id: str, job_id: str, new: NewRun, key: IdempotencyKey | None) -> Job:
        job = self.records.open_run(tenant_id, job_id, new, key, self.allowed(tenant_id))
        if is_held(job) or launch_or_leave(self.app, self.records, first_of(job), job.stage_names, job.lane):
            self.announcer.announce(events.queued(job))
        return job


def is_held(job: Job) -> bool:
    """Whether the run that was just opened is launched later, in its turn."""
    return all(stage.state is not StageState.READY for stage in job.stages)


def first_of(job: Job) -> StageKey:
    """The stage that a run which was just opened begins at."""
    first = job.current_stage
    if first is None:
        raise ValueError(f"run {job.run} of job {job.id} has nothing to do")
    return StageKey(job.id, job.run, first.stage)
