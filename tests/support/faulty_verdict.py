"""What must hold after any faults, judged from the outside: I1 to I7.

I1  every job that was answered with 202 has ended; none is lost
I2  a stage has one recorded result, that of its latest attempt
I3  no stage has spent more attempts than it may; every effect that came twice is explained by a fault
I4  what a fault interrupted went on within the bound
I5  nothing is left: queues empty, no row stuck, no object that no job knows, and no copy of a page
I6  nothing was early, nothing came after a cancellation
I7  whoever listened to a job heard how it ended, once and in time
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, select

from orchestration.storage.schema import attempts, jobs, stages
from orchestration.storage.schema_pages import cached_pages
from pipeline.definition import CATALOG
from pipeline.job import MAX_LOSSES, JobState, StageState
from tests.support.faulty_box import Event
from tests.support.faulty_effects import Hit
from tests.support.faulty_ports import CACHED, piece
from tests.support.job_fleet import ENDED, JobFleet

LEARNS_WITHIN_S = 2.0
"""How long after a cancellation a running attempt may still do something."""
EARLY_S = 0.05
PROGRESS = {"claimed", "split", "completed", "released", "failed", "returned"}
DISRUPTIVE = {"kill", "stop", "terminate", "database"}
"""Faults that may make an attempt run twice; one of the broker must not."""


@dataclass
class Verdict:
    """What was counted, and what was broken."""

    jobs: int = 0
    states: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    """Codes of jobs that failed."""
    faults: dict[str, int] = field(default_factory=dict)
    kills: int = 0
    """SIGKILL of a process that runs stages."""
    lost: int = 0
    effects: int = 0
    duplicate_effects: int = 0
    unattributed_duplicates: int = 0
    stale_writes_rejected: int = 0
    attempts_lost: int = 0
    longest_recovery_s: float = 0.0
    listeners: int = 0
    longest_untold_s: float = 0.0
    """From a job's end until one who listened to it heard of it."""
    duplicate_objects: int = 0
    """Written by attempts that were lost afterwards; erased with their jobs."""
    failures: list[str] = field(default_factory=list)

    @property
    def duplicates_per_kill(self) -> float:
        return self.duplicate_effects / self.kills if self.kills else 0.0


@dataclass(frozen=True)
class Scene:
    """What is left of a run."""

    fleet: JobFleet
    jobs: dict[str, Any]
    stages: dict[tuple[str, str], Any]
    """By job and stage or part, of the current run."""
    attempts: dict[tuple[str, str], list[Any]]
    events: list[Event]
    by_job: dict[str, list[Event]]
    hits: list[Hit]
    pages: set[str]
    """Ids of the copies of pages that are kept."""

    @property
    def tokens(self) -> dict[str, str]:
        return {job.token: job.id for job in self.fleet.told.accepted}


def judge(
    fleet: JobFleet,
    *,
    recovered_within_s: float = 10.0,
    duplicates_per_kill: float | None = 0.4,
    may_fail: Iterable[str] = (),
) -> Verdict:
    """Look at everything once all is quiet. `may_fail` are the codes that jobs may fail with."""
    scene = _scene(fleet)
    verdict = Verdict(jobs=len(scene.jobs), effects=len(scene.hits))
    _count(scene, verdict)
    _i1_all_ended(scene, verdict, set(may_fail))
    _i2_one_result(scene, verdict)
    _i3_effects(scene, verdict, duplicates_per_kill)
    _i4_recovery(scene, verdict, recovered_within_s)
    _i5_nothing_left(scene, verdict)
    _i6_in_time(scene, verdict)
    _i7_told(scene, verdict, recovered_within_s)
    return verdict


def _scene(fleet: JobFleet) -> Scene:
    engine = create_engine(fleet.database_url)
    with engine.connect() as connection:
        job_rows = {row.id: row for row in connection.execute(select(jobs))}
        stage_rows = {
            (row.job_id, piece(row)): row for row in connection.execute(select(stages).order_by(stages.c.run))
        }
        tries: dict[tuple[str, str], list[Any]] = defaultdict(list)
        for row in connection.execute(select(attempts).order_by(attempts.c.run, attempts.c.epoch)):
            tries[row.job_id, piece(row)].append(row)
        pages = set(connection.execute(select(cached_pages.c.id)).scalars())
    engine.dispose()
    events = list(fleet.box.events())
    by_job: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_job[event.job].append(event)
    hits = sorted([*fleet.web.ledger.all(), *fleet.model.ledger.all()], key=lambda hit: hit.at)
    return Scene(fleet, job_rows, stage_rows, tries, events, by_job, hits, pages)


def _count(scene: Scene, verdict: Verdict) -> None:
    for row in scene.jobs.values():
        verdict.states[row.state] = verdict.states.get(row.state, 0) + 1
        if row.error_code:
            verdict.errors[row.error_code] = verdict.errors.get(row.error_code, 0) + 1
    for event in scene.events:
        if event.event == "fault":
            kind = str(event.more["kind"])
            verdict.faults[kind] = verdict.faults.get(kind, 0) + 1
            verdict.kills += kind == "kill" and event.stage in CATALOG.stages
        elif event.more.get("kept") is False:
            verdict.stale_writes_rejected += 1
    verdict.attempts_lost = sum(row.outcome == "lost" for rows in scene.attempts.values() for row in rows)


def _i1_all_ended(scene: Scene, verdict: Verdict, may_fail: set[str]) -> None:
    for job in scene.fleet.told.accepted:
        row = scene.jobs.get(job.id)
        if row is None:
            verdict.lost += 1
            verdict.failures.append(f"I1 {job.id} was answered with 202 and is not there")
    for row in scene.jobs.values():
        if row.state not in ENDED:
            verdict.lost += 1
            verdict.failures.append(f"I1 {row.id} is still {row.state}")
        elif row.state is JobState.FAILED and row.error_code not in may_fail:
            verdict.failures.append(f"I1 {row.id} failed: {row.error_code} in {row.error_stage}: {row.error}")
        elif row.state is JobState.CANCELLED and row.id not in scene.fleet.told.cancelled:
            verdict.failures.append(f"I1 {row.id} is cancelled and nobody asked for it")


def _i2_one_result(scene: Scene, verdict: Verdict) -> None:
    kept: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in scene.events:
        if event.event == "completed" and event.more["kept"]:
            kept[event.job, event.stage].append(event.more["epoch"])
    for key, stage in scene.stages.items():
        if len(kept[key]) > 1 + stage.reruns:
            verdict.failures.append(f"I2 {key} was completed by epochs {kept[key]}")
        if stage.state is StageState.SUCCEEDED:
            _judge_result(scene, verdict, key, stage)
    for row in scene.jobs.values():
        if (row.state is JobState.SUCCEEDED) != (row.result is not None):
            verdict.failures.append(f"I2 {row.id} is {row.state} with the result {row.result}")


def _judge_result(scene: Scene, verdict: Verdict, key: tuple[str, str], stage: Any) -> None:
    won = [row.epoch for row in scene.attempts[key] if row.outcome == "succeeded"]
    if len(won) != 1 + stage.reruns or won[-1] != stage.epoch:
        verdict.failures.append(f"I2 {key} is of epoch {stage.epoch}, but {won} succeeded")
    if stage.claim is None:
        verdict.failures.append(f"I2 {key} succeeded without an output")


def _i3_effects(scene: Scene, verdict: Verdict, duplicates_per_kill: float | None) -> None:
    for key, stage in scene.stages.items():
        if stage.attempts > CATALOG.stage(stage.stage).retry.max_attempts or stage.losses > MAX_LOSSES:
            verdict.failures.append(f"I3 {key} has spent {stage.attempts} attempts and {stage.losses} workers")
    by_effect: dict[tuple[str, str], list[Hit]] = defaultdict(list)
    for hit in scene.hits:
        by_effect[hit.kind, hit.token].append(hit)
    for (kind, token), hits in by_effect.items():
        _judge_repeats(scene, verdict, kind, token, hits)
    if duplicates_per_kill is not None and verdict.kills and verdict.duplicates_per_kill > duplicates_per_kill:
        verdict.failures.append(f"I3 {verdict.duplicate_effects} duplicate effects in {verdict.kills} kills")


def _judge_repeats(scene: Scene, verdict: Verdict, kind: str, token: str, hits: Sequence[Hit]) -> None:
    key = (scene.tokens.get(token, ""), kind)
    # An attempt that ended with a reason to try again has its effect for itself, and so has a lost output's second.
    wanted = sum(row.outcome in {"retried", "postponed", "returned", "failed"} for row in scene.attempts[key])
    wanted += scene.stages[key].reruns if key in scene.stages else 0
    for before, again in list(pairwise(hits))[wanted:]:
        verdict.duplicate_effects += 1
        if not any(_explains(fault, kind, before, again) for fault in scene.events):
            verdict.unattributed_duplicates += 1
            verdict.failures.append(f"I3 {key} came again after {again.at - before.at:.2f} s for no reason: {token}")


def _explains(fault: Event, kind: str, before: Hit, again: Hit) -> bool:
    if fault.event != "fault" or fault.more["kind"] not in DISRUPTIVE or fault.stage not in {kind, "all"}:
        return False
    until = fault.at + float(fault.more.get("lasts_s", 0)) + (LEARNS_WITHIN_S if "lasts_s" in fault.more else 0)
    return fault.at <= again.at and until >= before.at


def _i4_recovery(scene: Scene, verdict: Verdict, bound_s: float) -> None:
    for fault in scene.events:
        if fault.event != "fault" or fault.more["kind"] != "kill":
            continue
        for job_id in _interrupted(scene, fault):
            took_s = _went_on_after_s(scene, job_id, fault)
            verdict.longest_recovery_s = max(verdict.longest_recovery_s, took_s)
            if took_s > bound_s:
                point = fault.more.get("point", "")
                verdict.failures.append(f"I4 {job_id} went on {took_s:.1f} s after {point} {fault.stage} died")


def _interrupted(scene: Scene, fault: Event) -> set[str]:
    """The jobs of which the process that died was in the middle."""
    open_jobs: dict[str, bool] = {fault.job: True} if fault.job else {}
    for event in scene.events:
        if event.pid == fault.pid and event.at <= fault.at and event.event in PROGRESS:
            open_jobs[event.job] = event.event == "claimed" or event.job == fault.job
    return {job_id for job_id, is_open in open_jobs.items() if is_open and job_id in scene.jobs}


def _went_on_after_s(scene: Scene, job_id: str, fault: Event) -> float:
    """Until the job's next sign of life; nothing if it had ended by then."""
    signs = [event.at for event in scene.by_job[job_id] if event.event in PROGRESS and event.at > fault.at]
    return min(signs) - fault.at if signs else 0.0


def _i5_nothing_left(scene: Scene, verdict: Verdict) -> None:
    if left := scene.fleet.leftovers():
        verdict.failures.append(f"I5 the broker still holds {left}")
    for key, stage in scene.stages.items():
        if not stage.state.is_terminal:
            verdict.failures.append(f"I5 {key} is {stage.state} in a job that is {scene.jobs[key[0]].state}")
    for key, rows in scene.attempts.items():
        if any(row.outcome is None for row in rows):
            verdict.failures.append(f"I5 an attempt of {key} never ended")
    _judge_objects(scene, verdict)


def _judge_objects(scene: Scene, verdict: Verdict) -> None:
    known = {stage.claim["key"] for stage in scene.stages.values() if stage.claim}
    known |= {stage.input["key"] for stage in scene.stages.values() if stage.input}
    known |= {row.source["body"]["key"] for row in scene.jobs.values() if row.source.get("body")}
    objects = set(_objects(scene.fleet.payloads))
    copies = {key for key in objects if CACHED in key}
    _judge_copies(scene, verdict, copies)
    stored = objects - copies
    orphans = [key for key in stored if key.split("/")[1] not in scene.jobs]
    # Content is stored before its job is recorded, so an unanswered submission may leave some.
    if len(orphans) > scene.fleet.told.refused + scene.fleet.told.unanswered:
        verdict.failures.append(f"I5 objects of no job: {orphans[:5]}")
    if missing := list(known - stored):
        verdict.failures.append(f"I5 outputs are missing: {missing[:5]}")
    verdict.duplicate_objects = len(stored - known) - len(orphans)


def _judge_copies(scene: Scene, verdict: Verdict, copies: set[str]) -> None:
    """They are in their index, but for those whose writer was hurt in between: the keeper finds these."""
    strays = [key for key in copies if key.split("/")[1] not in scene.pages]
    if strays and not DISRUPTIVE & verdict.faults.keys():
        verdict.failures.append(f"I5 copies of pages in no index: {strays[:5]}")


def _objects(root: Path) -> Iterable[str]:
    for path in root.rglob("*"):
        key = path.relative_to(root).as_posix()
        if path.is_file() and not key.startswith((".incoming", ".quarantine", "_probe")):
            yield key


def _i6_in_time(scene: Scene, verdict: Verdict) -> None:
    due: dict[tuple[str, str], float] = {}
    for event in scene.events:
        key = (event.job, event.stage)
        if event.event == "released" and event.more["kept"]:
            due[key] = event.more["due_at"]
        elif event.event == "claimed" and event.at < due.get(key, 0.0) - EARLY_S:
            verdict.failures.append(f"I6 {key} began {due[key] - event.at:.2f} s early")
    for job_id, cancelled_at in scene.fleet.told.cancelled.items():
        _judge_cancelled(scene, verdict, job_id, cancelled_at + LEARNS_WITHIN_S)


def _judge_cancelled(scene: Scene, verdict: Verdict, job_id: str, silent_from: float) -> None:
    if scene.jobs[job_id].state is not JobState.CANCELLED:
        verdict.failures.append(f"I6 {job_id} was cancelled and is {scene.jobs[job_id].state}")
    late = [event for event in scene.by_job[job_id] if event.event == "claimed" and event.at > silent_from]
    tokens = {token for token, known in scene.tokens.items() if known == job_id}
    if late or any(hit.token in tokens and hit.at > silent_from for hit in scene.hits):
        verdict.failures.append(f"I6 {job_id} was cancelled and went on: {late}")
    if any(event.more.get("kept") and event.at > silent_from for event in scene.by_job[job_id]):
        verdict.failures.append(f"I6 {job_id} was cancelled and something was recorded")


def _i7_told(scene: Scene, verdict: Verdict, bound_s: float) -> None:
    verdict.listeners = len(scene.fleet.listeners)
    for listener in scene.fleet.listeners:
        job, ends = scene.jobs[listener.job_id], [heard.event for heard in listener.ends]
        if ends != [f"job.{job.state}"]:
            verdict.failures.append(f"I7 {job.id} is {job.state} and one who listened heard {listener.names}")
            continue
        untold_s = listener.ends[0].at - job.finished_at.timestamp()
        verdict.longest_untold_s = max(verdict.longest_untold_s, untold_s)
        if untold_s > bound_s:
            verdict.failures.append(f"I7 the end of {job.id} was told after {untold_s:.1f} s")
