"""Stages done in parts, in the records in memory: rules over what is kept of one job."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pipeline.ids import WHOLE, Claim
from pipeline.job import JobError, PartCount, StageState
from pipeline.memory_jobs import KeptJob, KeptStage, cancel, new_stage
from pipeline.runs import RunOrigin
from pipeline.work import Division, Suspect


def split(kept: KeptJob, whole: KeptStage, inputs: Sequence[Claim], at_once: int, now_s: float) -> Division:
    """Make the parts of a stage that was just split."""
    earlier = [part for part in kept.parts if part.key.stage == whole.key.stage]
    whole.level = 1 + max((part.level for part in earlier), default=0)
    done = _done_alike(kept, whole.key.stage)
    for number, claim in enumerate(inputs, start=len(earlier) + 1):
        part = new_stage(whole.key.job_id, whole.key.run, whole.key.stage, whole.record.position, number)
        part.level, part.input = whole.level, claim
        if (alike := done.get(claim.sha256)) is not None:
            _take_over(part, alike)
        kept.parts.append(part)
    waiting = [part for part in kept.parts_of(whole) if part.state is StageState.WAITING]
    return _division(kept, whole, [_launched(kept, part, now_s) for part in waiting[:at_once] or [whole]])


def _done_alike(kept: KeptJob, stage: str) -> dict[str, KeptStage]:
    """Parts that have succeeded in this run or one that it retries, by the hash of what they read."""
    alike: dict[str, KeptStage] = {}
    for run in reversed(kept.runs):
        for part in run.parts:
            if part.key.stage == stage and part.input is not None and part.record.claim is not None:
                alike.setdefault(part.input.sha256, part)
        if run.origin is not RunOrigin.RETRY:
            break
    return alike


def _take_over(part: KeptStage, alike: KeptStage) -> None:
    done = alike.record
    part.record = replace(
        part.record,
        state=StageState.SUCCEEDED,
        attempts=done.attempts,
        started_at=done.started_at,
        finished_at=done.finished_at,
        duration_s=done.duration_s,
        claim=done.claim,
    )


def go_on(kept: KeptJob, part: KeptStage, now_s: float) -> Division:
    """After a part has succeeded: the next one, or the stage."""
    whole = whole_of(kept, part)
    waiting = [other for other in kept.parts_of(whole) if other.state is StageState.WAITING]
    if waiting:
        return _division(kept, whole, [_launched(kept, waiting[0], now_s)])
    division = _division(kept, whole)
    if division.is_done:
        whole.launch(now_s)
    return division


def whole_of(kept: KeptJob, part: KeptStage) -> KeptStage:
    return next(stage for stage in kept.stages if stage.key.stage == part.key.stage)


def _launched(kept: KeptJob, piece: KeptStage, now_s: float) -> Suspect:
    piece.launch(now_s)
    return kept.suspect(piece)


def _division(kept: KeptJob, whole: KeptStage, ready: Sequence[Suspect] = ()) -> Division:
    return Division(kept.count_of(whole) or PartCount(0, 0), tuple(ready))


def producer_of(kept: KeptJob, claim_key: str, consumer: KeptStage) -> KeptStage | None:
    """Whose output is missing: a stage before, a part of the same stage, or the stage that made the parts."""
    if consumer.input is not None and consumer.input.key == claim_key:
        return whole_of(kept, consumer)
    before = [stage for stage in kept.stages if stage.record.position < consumer.record.position]
    parts = kept.parts_of(consumer) if consumer.key.part == WHOLE and consumer.level else []
    made = (piece for piece in (*before, *parts) if piece.record.claim is not None)
    return next((piece for piece in made if piece.record.claim and piece.record.claim.key == claim_key), None)


def give_back(kept: KeptJob, consumer: KeptStage, producer: KeptStage, error: JobError, at: datetime) -> None:
    """Have the producer run again, and what needs it wait. The attempt that found out has ended."""
    consumer.parked_since_s = None
    if consumer.key.part != WHOLE:
        consumer.become(StageState.CANCELLED, error=error, finished_at=at)
        _undo_split(kept, whole_of(kept, consumer), producer, at)
    elif producer.key.part != WHOLE:
        consumer.become(StageState.SPLIT, error=error)
    else:
        consumer.become(StageState.WAITING, error=error)
        consumer.level = 0
    if producer.state is StageState.SUCCEEDED:
        producer.lose_output()


def _undo_split(kept: KeptJob, whole: KeptStage, producer: KeptStage, at: datetime) -> None:
    """Cancel the parts that are not done; the stage is split anew, now or after another has run again."""
    cancel(kept.parts_of(whole), at)
    whole.level = 0
    if producer is whole:
        whole.lose_output()
    else:
        whole.become(StageState.WAITING)
