"""What the records in memory keep of a job: its record, and of each stage what only the records look at."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pipeline.errors import IllegalTransition
from pipeline.ids import WHOLE, Claim, StageKey
from pipeline.job import (
    FIRST_RUN,
    RECENT_TRIES,
    Attempt,
    Job,
    JobError,
    JobState,
    Lane,
    NewJob,
    PartCount,
    StageRecord,
    StageState,
    job_sources,
    require_legal,
)
from pipeline.ports import Finished
from pipeline.runs import RunOrigin
from pipeline.spending import Spent, total
from pipeline.verdicts import deadline_exceeded
from pipeline.work import Grant, Suspect

MAX_DOUBLINGS = 6


@dataclass
class KeptStage:
    """A stage's record and what only the records themselves look at."""

    key: StageKey
    record: StageRecord
    epoch: int = 0
    lease_until_s: float = 0.0
    owner: str = ""
    """Of the latest attempt."""
    message_id: str | None = None
    """Of the message it was claimed for last."""
    launched_at_s: float | None = None
    relaunches: int = 0
    parked_since_s: float | None = None
    level: int = 0
    """Which splitting a part is of; of a whole, the one whose parts count, 0 for none."""
    input: Claim | None = None
    """What a part reads."""
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

    def lose_output(self) -> None:
        """Become ready again, with all attempts to spend."""
        changes = {"claim": None, "attempts": 0, "finished_at": None, "duration_s": None}
        self.become(StageState.READY, reruns=self.record.reruns + 1, **changes)
        self.launched_at_s = self.parked_since_s = None

    def end_try(self, outcome: str, ended: Finished, error: JobError | None = None) -> None:
        latest = replace(self.tries[-1], finished_at=ended.at, outcome=outcome, duration_s=ended.duration_s)
        self.tries[-1] = replace(latest, error=error)

    def add_spent(self, epoch: int, spent: Spent) -> None:
        self.tries = [replace(each, spent=each.spent + spent) if each.epoch == epoch else each for each in self.tries]

    def cut_off(self, outcome: str, at: datetime, error: JobError | None = None) -> None:
        if self.tries and self.tries[-1].outcome is None:
            self.tries[-1] = replace(self.tries[-1], finished_at=at, outcome=outcome, error=error)

    def was_lost(self, epoch: int) -> bool:
        return any(attempt.epoch == epoch and attempt.outcome == "lost" for attempt in self.tries)

    def wait_from(self, now_s: float) -> None:
        """Count patience with it from now on."""
        self.launched_at_s = None if self.launched_at_s is None else now_s
        self.parked_since_s = None if self.parked_since_s is None else now_s

    def is_overdue(self, now_s: float, older_than_s: float) -> bool:
        if self.launched_at_s is None:
            return True
        doubled_s = older_than_s * (1 << min(self.relaunches, MAX_DOUBLINGS))
        return max(self.launched_at_s, self.record.not_before_s) + doubled_s < now_s


@dataclass
class KeptJob:
    """A job and the stages of its run, in order, with the runs before."""

    job: Job
    stages: list[KeptStage]
    """As wholes."""
    created_at: datetime
    """Of the run."""
    lane: Lane
    """Of the run."""
    origin: RunOrigin = RunOrigin.SUBMIT
    from_stage: str | None = None
    is_forgotten: bool = False
    """Whether only results are kept of what its stages made."""
    past: list["KeptJob"] = field(default_factory=list)
    parts: list[KeptStage] = field(default_factory=list)
    """Of the stages of the run that were split."""
    at_end: Callable[[Job], None] = lambda _job: None
    """Told when a run ends."""

    def stage(self, key: StageKey) -> KeptStage | None:
        pieces = (piece for run in self.runs for piece in run.pieces)
        return next((piece for piece in pieces if piece.key == key), None)

    @property
    def pieces(self) -> list[KeptStage]:
        """All that can be claimed."""
        return [*self.stages, *self.parts]

    def parts_of(self, whole: KeptStage) -> list[KeptStage]:
        """Those of the latest splitting, in order."""
        return [part for part in self.parts if part.key.stage == whole.key.stage and part.level == whole.level]

    def count_of(self, whole: KeptStage) -> PartCount | None:
        parts = self.parts_of(whole) if whole.level else []
        done = sum(part.state is StageState.SUCCEEDED for part in parts)
        return PartCount(done, len(parts)) if parts else None

    @property
    def runs(self) -> list["KeptJob"]:
        return [*self.past, self]

    @property
    def spent(self) -> Spent:
        return total(attempt.spent for run in self.runs for piece in run.pieces for attempt in piece.tries)

    def become(self, target: JobState, **changes: Any) -> None:
        if self.job.state not in job_sources(target):
            raise IllegalTransition(f"a job cannot go from {self.job.state} to {target}")
        self.job = replace(self.job, state=target, **changes)
        if target.is_terminal:
            self.at_end(self.job)

    def fail(self, error: JobError, at: datetime) -> None:
        self.become(JobState.FAILED, error=error, finished_at=at)
        for stage in self.stages:
            if stage.state is StageState.SPLIT:
                stage.become(StageState.FAILED, error=error, finished_at=at)
        self.cancel_rest(at)

    def cancel_rest(self, at: datetime) -> None:
        cancel(self.pieces, at)

    def seen(self) -> Job:
        return replace(self.job, stages=tuple(self._seen(stage) for stage in self.stages))

    def _seen(self, stage: KeptStage) -> StageRecord:
        return replace(stage.record, tries=tuple(stage.tries[-RECENT_TRIES:]), parts=self.count_of(stage))

    def suspect(self, stage: KeptStage) -> Suspect:
        return Suspect(
            key=stage.key,
            tenant_id=self.job.tenant_id,
            stages=self.job.stage_names,
            lane=self.lane,
            launches=stage.record.launches,
            losses=stage.record.losses,
            epoch=stage.epoch,
        )

    def start(self, stage: KeptStage, lease_until_s: float, at: datetime, message_id: str | None) -> None:
        stage.become(StageState.RUNNING, started_at=at)
        stage.message_id = message_id
        stage.epoch += 1
        stage.lease_until_s = lease_until_s
        stage.relaunches = 0
        stage.tries.append(Attempt(stage.epoch, at))
        if self.job.state is JobState.QUEUED:
            self.become(JobState.RUNNING, started_at=at)

    def grant(self, stage: KeptStage, now_s: float) -> Grant:
        job, record = self.job, stage.record
        return Grant(
            key=stage.key,
            epoch=stage.epoch,
            attempts=record.attempts,
            losses=record.losses,
            parked_s=0.0 if stage.parked_since_s is None else now_s - stage.parked_since_s,
            tenant_id=job.tenant_id,
            pipeline=job.pipeline,
            stages=job.stage_names,
            source=job.source,
            options=job.options,
            lane=job.lane,
            created_at=job.created_at,
            deadline_at=job.deadline_at,
            done=tuple(other.record for other in self.stages if other.record.position < record.position),
            max_attempts=job.terms.max_attempts,
            batch_id=job.batch_id,
            not_before=job.terms.not_before,
            level=stage.level,
            part_input=stage.input,
            results=self._results(stage),
        )

    def _results(self, stage: KeptStage) -> tuple[Claim, ...]:
        parts = self.parts_of(stage) if stage.level and stage.key.part == WHOLE else []
        return tuple(part.record.claim for part in parts if part.record.claim is not None)

    def expire(self, at: datetime) -> None:
        current = next(stage for stage in self.stages if stage.state is not StageState.SUCCEEDED)
        error = deadline_exceeded(current.key.stage)
        for stage in self.pieces:
            if stage.state in (StageState.READY, StageState.RUNNING, StageState.SPLIT):
                stage.become(StageState.FAILED, error=error, finished_at=at)
                stage.cut_off("failed", at, error)
        self.fail(error, at)


def cancel(pieces: Iterable[KeptStage], at: datetime) -> None:
    """Cancel those that have not ended."""
    for piece in pieces:
        if not piece.state.is_terminal:
            piece.become(StageState.CANCELLED, finished_at=at)
            piece.cut_off("cancelled", at)


def new_job(new: NewJob) -> Job:
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
        terms=new.terms,
        batch_id=new.batch_id,
        batch_index=new.batch_index,
    )


def new_stage(job_id: str, run: int, name: str, position: int, part: int = WHOLE) -> KeptStage:
    record = StageRecord(
        stage=name,
        position=position,
        part=part,
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
    return KeptStage(StageKey(job_id, run, name, part), record)
