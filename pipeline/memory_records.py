"""The records in memory: the twin that unit tests run on, held to the same contract as the database."""

from collections.abc import Collection, Sequence
from datetime import datetime

from pipeline.batches import BatchKey
from pipeline.bulk import REFUSALS, BulkFailure, BulkItem, BulkVerb
from pipeline.errors import JobFinished
from pipeline.idempotency import IdempotencyKey
from pipeline.ids import Claim, Hold, StageKey
from pipeline.job import FIRST_RUN, MAX_RERUNS, Job, JobError, JobState, NewJob, StageState
from pipeline.memory_api_keys import MemoryApiKeys
from pipeline.memory_cached_pages import MemoryCachedPages
from pipeline.memory_jobs import KeptJob, KeptStage, new_job, new_stage
from pipeline.memory_keeping import MemoryKeeping
from pipeline.memory_markers import MemoryMarkers
from pipeline.memory_parts import give_back, go_on, producer_of, split
from pipeline.memory_queues import MemoryQueues
from pipeline.memory_retention import MemoryRetention
from pipeline.memory_schedules import MemorySchedules
from pipeline.memory_sources import MemorySources
from pipeline.ports import Finished, Renewal
from pipeline.runs import NewRun
from pipeline.schedules import Firing, JobSchedule, Submitted
from pipeline.sources import SourceKey
from pipeline.tenants import UNLIMITED, Allowance
from pipeline.verdicts import why_refused
from pipeline.work import Division, Grant, Refusal, Refused


class MemoryRecords(
    MemorySources,
    MemorySchedules,
    MemoryKeeping,
    MemoryRetention,
    MemoryApiKeys,
    MemoryMarkers,
    MemoryQueues,
    MemoryCachedPages,
):
    """`Records` in a dictionary. The record's own clock is the given one."""

    # acceptance

    def accept(self, job: NewJob, key: IdempotencyKey | None = None, allowed: Allowance = UNLIMITED) -> bool:
        """Record a new job."""
        return self._accept(job, key, allowed, may_launch=True)

    def _accept(self, job: NewJob, key: IdempotencyKey | None, allowed: Allowance, *, may_launch: bool) -> bool:
        with self._lock:
            if key is not None:
                self.check_key(key, job.created_at)
            self._require_room(job.tenant_id, allowed)
            self._take_in(job, allowed)
            self._use_key(key, job.id, FIRST_RUN, job.created_at)
            stages = [new_stage(job.id, FIRST_RUN, name, position) for position, name in enumerate(job.stages)]
            kept = KeptJob(new_job(job), stages, job.created_at, job.lane, at_end=self._tell)
            self._kept[job.id] = kept
            return self._launch_or_hold(kept, stages[0], job.delay_s, may_launch=may_launch)

    def unlaunch(self, key: StageKey) -> None:
        """Say that the message counted as launched was not published."""
        with self._lock:
            stage = self._stage(key)
            if stage is not None and stage.state is StageState.READY:
                stage.launched_at_s = None

    def request_cancel(self, tenant_id: str, job_id: str, at: datetime) -> Job:
        """Cancel a job at once."""
        with self._lock:
            kept = self._require(tenant_id, job_id)
            if kept.job.state is JobState.CANCELLED:
                return kept.seen()
            if kept.job.state.is_terminal:
                raise JobFinished(job_id, kept.job.state)
            kept.become(JobState.CANCELLED, finished_at=at)
            kept.cancel_rest(at)
            return kept.seen()

    # attempts

    def claim(
        self,
        key: StageKey,
        *,
        owner: str,
        lease_s: float,
        at: datetime,
        message_id: str | None = None,
    ) -> Grant | Refused:
        """Take a ready and due stage of a live run."""
        with self._lock:
            now_s = self._now_s()
            kept, stage = self._kept.get(key.job_id), self._stage(key)
            if kept is None or stage is None:
                return Refused(Refusal.OVER)
            if not _is_due(kept.job, stage, now_s):
                return why_refused(kept.job, stage.record, run=key.run, now_s=now_s)
            kept.start(stage, now_s + lease_s, at, message_id)
            stage.owner = owner
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
            self._spend(hold, ended)
            stage = self._held_by_writer(hold)
            if stage is None:
                return False
            _succeed(stage, claim, ended)
            self._go_on(self._kept[hold.key.job_id], claim, ended.at)
            return True

    def release(
        self, hold: Hold, error: JobError, *, delay_s: float, spends: bool, ended: Finished, parks: bool = True
    ) -> bool:
        """Give a stage back to be tried again after a delay."""
        with self._lock:
            self._spend(hold, ended)
            stage = self._held_by_writer(hold)
            if stage is None:
                return False
            now_s = self._now_s()
            spent = stage.record.attempts + spends
            stage.launch(now_s, not_before_s=now_s + delay_s, error=error, attempts=spent)
            if spends or error.is_waited_for:
                stage.parked_since_s = None
            elif parks:
                stage.parked_since_s = now_s if stage.parked_since_s is None else stage.parked_since_s
            elif stage.parked_since_s is not None:
                stage.parked_since_s += delay_s
            stage.end_try("retried" if spends else "postponed", ended, error)
            return True

    def fail(self, hold: Hold, error: JobError, *, spends: bool, ended: Finished) -> bool:
        """Fail a stage and with it run and job."""
        with self._lock:
            self._spend(hold, ended)
            stage = self._held_by_writer(hold)
            if stage is None:
                return False
            spent = stage.record.attempts + spends
            stage.become(StageState.FAILED, error=error, attempts=spent, finished_at=ended.at)
            stage.end_try("failed", ended, error)
            self._kept[hold.key.job_id].fail(error, ended.at)
            return True

    def split(self, hold: Hold, inputs: Sequence[Claim], at_once: int, ended: Finished) -> Division | None:
        """Have a stage done in parts."""
        with self._lock:
            self._spend(hold, ended)
            whole = self._held_by_writer(hold)
            if whole is None:
                return None
            whole.become(StageState.SPLIT, error=None)
            whole.parked_since_s = None
            whole.end_try("split", ended)
            return split(self._kept[hold.key.job_id], whole, inputs, at_once, self._now_s())

    def complete_part(self, hold: Hold, claim: Claim, ended: Finished) -> Division | None:
        """Record what came of a part and make the next one ready."""
        with self._lock:
            self._spend(hold, ended)
            part = self._held_by_writer(hold)
            if part is None:
                return None
            _succeed(part, claim, ended)
            return go_on(self._kept[hold.key.job_id], part, self._now_s())

    def unlaunch_parts(self, key: StageKey) -> None:
        """Say that parts which were not begun may have no message."""
        with self._lock:
            kept = self._kept.get(key.job_id)
            for part in kept.parts if kept is not None else ():
                same_stage = (part.key.run, part.key.stage) == (key.run, key.stage)
                if same_stage and part.state is StageState.READY and part.epoch == 0:
                    part.launched_at_s = None

    def lose_input(self, hold: Hold, error: JobError, *, claim_key: str, ended: Finished) -> bool:
        """Run the stage again whose output is lost, once."""
        with self._lock:
            self._spend(hold, ended)
            stage = self._held_by_writer(hold)
            if stage is None:
                return False
            kept = self._kept[hold.key.job_id]
            producer = producer_of(kept, claim_key, stage)
            if producer is None or producer.record.reruns >= MAX_RERUNS:
                return self.fail(hold, error, spends=False, ended=ended)
            stage.end_try("returned", ended, error)
            give_back(kept, stage, producer, error, ended.at)
            return True

    def act(self, item: BulkItem, new: NewRun) -> Job | None:
        """Do to a job what a bulk action says."""
        with self._lock:
            if not self._take(item, new.at):
                return None
            try:
                return self._carry_out(item, new)
            except REFUSALS as error:
                self._refuse(item, BulkFailure(item.job_id, error.code, str(error)))
                return None

    def start_source(self, key: SourceKey, job: NewJob, allowed: Allowance = UNLIMITED) -> bool | None:
        """Accept the job that reads a source."""
        with self._lock:
            if not self._is_waiting(key):
                return None
            is_launched = self.accept(job, None, allowed)
            self._begin(key, job.id)
            return is_launched

    def record_digest(self, key: BatchKey, job: NewJob, allowed: Allowance = UNLIMITED) -> bool | None:
        """Accept the job that makes the digest of a batch."""
        with self._lock:
            if key not in self.due_digests(limit=len(self._batches)):
                return None
            is_launched = self.accept(job, None, allowed)
            self._change(key.id, digest_job_id=job.id)
            return is_launched

    def fire(
        self,
        schedule: JobSchedule,
        firing: Firing,
        submitted: Submitted,
        next_at: datetime | None,
        allowed: Allowance = UNLIMITED,
    ) -> bool:
        """Record a firing with what it submits."""
        with self._lock:
            if isinstance(submitted, NewJob):
                self._require_room(submitted.tenant_id, allowed)
            if not self._note(schedule, firing, next_at):
                return False
            if isinstance(submitted, NewJob):
                self._accept(submitted, None, allowed, may_launch=False)
            elif submitted is not None:
                batch, chunk = submitted
                self.accept_many(self.open_batch(batch), chunk, allowed)
            return True

    def check(self) -> None:
        """Memory always answers."""

    def _carry_out(self, item: BulkItem, new: NewRun) -> Job | None:
        match item.verb:
            case BulkVerb.RETRY | BulkVerb.REPLAY:
                return self.open_run(item.tenant_id, item.job_id, new)
            case BulkVerb.DISCARD:
                self.discard(item.tenant_id, item.job_id, new.at)
            case BulkVerb.CANCEL:
                self.request_cancel(item.tenant_id, item.job_id, new.at)
        return None

    def _go_on(self, kept: KeptJob, claim: Claim, at: datetime) -> None:
        waiting = [other for other in kept.stages if other.state is StageState.WAITING]
        if waiting:
            waiting[0].launch(self._now_s())
        else:
            kept.become(JobState.SUCCEEDED, finished_at=at, result=claim)


def _succeed(stage: KeptStage, claim: Claim, ended: Finished) -> None:
    times = {"finished_at": ended.at, "duration_s": ended.duration_s}
    stage.become(StageState.SUCCEEDED, attempts=stage.record.attempts + 1, claim=claim, error=None, **times)
    stage.end_try("succeeded", ended)


def _is_due(job: Job, stage: KeptStage, now_s: float) -> bool:
    return not job.state.is_terminal and stage.state is StageState.READY and stage.record.not_before_s <= now_s
