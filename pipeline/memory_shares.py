"""Held runs in the records in memory."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from pipeline.job import Lane, StageState
from pipeline.memory_jobs import KeptJob, KeptStage
from pipeline.memory_store import MemoryStore
from pipeline.shares import AT_ONCE, Admitted, Flow, Load, flow_of
from stages.contract import Clock

_KINDS = ("waiting", "running", "parked")


@dataclass(frozen=True)
class HeldRun:
    """A run whose first stage waits to be admitted."""

    flow: Flow
    job_id: str
    run: int
    stage: str
    batch_id: str | None
    due_at_s: float
    """0 for at once."""


class MemoryShares(MemoryStore):
    """Holding runs back, and handing them out in turn."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._held_runs: list[HeldRun] = []

    def flows(self) -> Sequence[Flow]:
        """The lines in which a held run is due."""
        with self._lock:
            heads: dict[Flow, HeldRun] = {}
            for held in sorted(self._held_runs, key=_turn):
                heads.setdefault(held.flow, held)
            due = [head for head in heads.values() if head.due_at_s <= self._now_s()]
            return sorted(map(self._flow, due), key=lambda flow: (flow.tenant_id, flow.lane, flow.name))

    def loads(self) -> Sequence[Load]:
        """What is launched and not over."""
        with self._lock:
            places: Counter[tuple[str, Lane, str, str]] = Counter()
            for kept in self._unfinished():
                for stage in kept.pieces:
                    if (kind := self._kind(stage)) is not None:
                        places[kept.job.tenant_id, kept.lane, stage.key.stage, kind] += 1
            named = sorted({place[:3] for place in places})
            return [Load(*name, *(places[*name, kind] for kind in _KINDS)) for name in named]

    def admit(self, numbers: Mapping[Flow, int]) -> Sequence[Admitted]:
        """Make the first stages of the next runs that are due ready."""
        with self._lock:
            return [each for flow, number in numbers.items() for each in self._admitted(flow, number)]

    def _admitted(self, flow: Flow, number: int) -> list[Admitted]:
        due = self._take_held(lambda held: held.flow == flow, number, due_by_s=self._now_s())
        return [self._launch(held) for held in due if self._is_still_held(held)]

    def _launch(self, held: HeldRun) -> Admitted:
        kept = self._kept[held.job_id]
        next(stage for stage in kept.stages if stage.key.stage == held.stage).launch(self._now_s())
        return Admitted(kept.job, held.stage, held.flow.lane)

    def _launch_or_hold(
        self, kept: KeptJob, first: KeptStage, delay_s: float = 0.0, *, may_launch: bool = True
    ) -> bool:
        """Launch a run that was just recorded if its tenant has room; returns whether it was launched."""
        is_launched = may_launch and not delay_s and self._has_room(self._flow_of(kept))
        if is_launched:
            first.launch(self._now_s())
        else:
            self._hold(kept, first, delay_s)
        return is_launched

    def _hold(self, kept: KeptJob, first: KeptStage, delay_s: float) -> None:
        due_at_s = self._now_s() + delay_s if delay_s > 0 else 0.0
        batch_id = kept.job.batch_id if kept.job.run == 1 else None
        run = HeldRun(self._flow_of(kept), kept.job.id, kept.job.run, first.key.stage, batch_id, due_at_s)
        self._held_runs.append(run)

    def _take_held(self, among: Callable[[HeldRun], bool], limit: int, *, due_by_s: float = inf) -> list[HeldRun]:
        meant = [held for held in self._held_runs if among(held) and held.due_at_s <= due_by_s]
        taken = sorted(meant, key=_turn)[:limit]
        gone = {(held.job_id, held.run) for held in taken}
        self._held_runs = [held for held in self._held_runs if (held.job_id, held.run) not in gone]
        return taken

    def _is_still_held(self, held: HeldRun) -> bool:
        kept = self._kept.get(held.job_id)
        if kept is None or kept.job.run != held.run:
            return False
        return any(stage.key.stage == held.stage and stage.state is StageState.WAITING for stage in kept.stages)

    def _has_room(self, flow: Flow) -> bool:
        now_s = self._now_s()
        if any(held.flow == flow and held.due_at_s <= now_s for held in self._held_runs):
            return False
        loads = [load for load in self.loads() if (load.tenant_id, load.lane) == (flow.tenant_id, flow.lane)]
        return sum(load.waiting + load.running for load in loads) < AT_ONCE

    def _kind(self, stage: KeptStage) -> str | None:
        if stage.state is StageState.RUNNING:
            return "running"
        if stage.state is not StageState.READY:
            return None
        return "waiting" if stage.record.not_before_s <= self._now_s() else "parked"

    def _flow(self, held: HeldRun) -> Flow:
        kept = self._kept.get(held.job_id)
        names = () if kept is None else kept.job.stage_names
        rest = names[names.index(held.stage) :] if names else ()
        return Flow(held.flow.tenant_id, held.flow.lane, held.flow.name, rest)

    def _flow_of(self, kept: KeptJob) -> Flow:
        job = kept.job
        return Flow(job.tenant_id, kept.lane, flow_of(job.pipeline, job.batch_id, run=job.run))


def _turn(held: HeldRun) -> tuple[float, str]:
    return held.due_at_s, held.job_id
