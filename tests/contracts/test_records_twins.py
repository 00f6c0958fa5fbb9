"""The records in memory and in SQLite give the same answers to any sequence of operations."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orchestration.storage.records import SqlRecords
from pipeline.errors import PipelineError
from pipeline.ids import Hold, StageKey
from pipeline.job import Job, JobState, Lane, NewJob, StageState
from pipeline.memory import MemoryRecords
from pipeline.ports import JobFilter, Retention
from pipeline.runs import NewRun
from pipeline.terms import JobTerms
from pipeline.work import Grant, Refused, Suspect
from tests.support.databases import sqlite_url
from tests.support.jobs import (
    BROKEN,
    MESSAGE,
    STAGES,
    TENANT,
    World,
    ended,
    key_of,
    move_into_the_past,
    new_job,
    output_of,
)
from tests.support.tools import START, ManualClock

# Chosen so that no two moments meet within a second, as one of the clocks also runs by itself.
STEP_S, LEASE_S, DELAY_S, AGE_S = 10.0, 25.0, 15.0, 7.0

a_stage = st.sampled_from(STAGES)
a_message = st.sampled_from([MESSAGE, MESSAGE, "publisher.2"])
some_job = st.integers(0, 3)
some_tags = st.sampled_from([(), ("a",), ("a", "b"), ("b",)])
an_epoch = st.sampled_from([0, 0, 0, -1, 1])


class Twins(RuleBasedStateMachine):
    """Does everything to both and compares."""

    @initialize()
    def start(self) -> None:
        clock = ManualClock()
        self.folder = tempfile.TemporaryDirectory()
        url = sqlite_url(Path(self.folder.name))
        self.sql = SqlRecords(url)
        self.worlds = [
            World(MemoryRecords(clock), clock.advance),
            World(self.sql, partial(move_into_the_past, url)),
        ]
        self.jobs: list[NewJob] = []

    def teardown(self) -> None:
        self.sql.close()
        self.folder.cleanup()

    def both(self, act: Callable[[World], Any]) -> Any:
        ours, theirs = (answer_of(act, world) for world in self.worlds)
        assert ours == theirs
        return ours

    def job(self, number: int) -> NewJob:
        return self.jobs[number % len(self.jobs)]

    def hold(self, number: int, stage: str, off: int) -> Hold:
        """The latest hold on a stage, or one beside it."""
        job = self.job(number)
        tries = self.worlds[0].stage(job, stage).tries
        return Hold(self.key(job, stage), (tries[-1].epoch if tries else 0) + off)

    def key(self, job: NewJob, stage: str) -> StageKey:
        """The stage in the current run."""
        return key_of(job, stage, self.worlds[0].read(job).run)

    @precondition(lambda self: len(self.jobs) < 4)
    @rule(lane=st.sampled_from(Lane), hours=st.integers(1, 3), tags=some_tags)
    def accept(self, lane: Lane, hours: int, tags: tuple[str, ...]) -> None:
        job = new_job(lane=lane, deadline_at=START + timedelta(hours=hours), terms=JobTerms(tags))
        self.jobs.append(job)
        self.both(lambda world: world.records.accept(job))

    @rule(steps=st.integers(1, 12))
    def pass_time(self, steps: int) -> None:
        self.both(lambda world: world.pass_time(steps * STEP_S))

    @precondition(lambda self: self.jobs)
    @rule(number=some_job, stage=a_stage)
    def unlaunch(self, number: int, stage: str) -> None:
        self.both(lambda world: world.records.unlaunch(self.key(self.job(number), stage)))

    @precondition(lambda self: self.jobs)
    @rule(number=some_job)
    def work(self, number: int) -> None:
        """Claim whatever stage is ready, so that runs get on."""
        job = self.job(number)
        ready = [stage.stage for stage in self.worlds[0].read(job).stages if stage.state is StageState.READY]
        for stage in ready:
            self.claim_stage(job, stage)

    @precondition(lambda self: self.jobs)
    @rule(number=some_job, stage=a_stage, message=a_message)
    def claim(self, number: int, stage: str, message: str) -> None:
        self.claim_stage(self.job(number), stage, message)

    def claim_stage(self, job: NewJob, stage: str, message: str = MESSAGE) -> None:
        key = self.key(job, stage)
        self.both(lambda world: world.records.claim(key, owner="w", message_id=message, lease_s=LEASE_S, at=START))

    @precondition(lambda self: self.jobs)
    @rule(picked=st.lists(st.tuples(some_job, a_stage, an_epoch), max_size=6))
    def renew(self, picked: list[tuple[int, str, int]]) -> None:
        holds = [self.hold(*pick) for pick in picked]
        self.both(lambda world: world.records.renew(holds, lease_s=LEASE_S))

    @precondition(lambda self: self.jobs)
    @rule(number=some_job, stage=a_stage, off=an_epoch)
    def complete(self, number: int, stage: str, off: int) -> None:
        hold = self.hold(number, stage, off)
        self.both(lambda world: world.records.complete(hold, output_of(stage), ended()))

    @precondition(lambda self: self.jobs)
    @rule(number=some_job, stage=a_stage, off=an_epoch, delay_s=st.sampled_from([0.0, DELAY_S]), spends=st.booleans())
    def release(self, number: int, stage: str, off: int, delay_s: float, spends: bool) -> None:
        hold = self.hold(number, stage, off)
        self.both(lambda world: world.records.release(hold, BROKEN, delay_s=delay_s, spends=spends, ended=ended()))

    @precondition(lambda self: self.jobs)
    @rule(number=some_job, stage=a_stage, off=an_epoch, spends=st.booleans())
    def fail(self, number: int, stage: str, off: int, spends: bool) -> None:
        hold = self.hold(number, stage, off)
        self.both(lambda world: world.records.fail(hold, BROKEN, spends=spends, ended=ended()))

    @precondition(lambda self: self.jobs)
    @rule(number=some_job, stage=a_stage, lost=a_stage, off=an_epoch)
    def lose_input(self, number: int, stage: str, lost: str, off: int) -> None:
        hold, key = self.hold(number, stage, off), output_of(lost).key
        self.both(lambda world: world.records.lose_input(hold, BROKEN, claim_key=key, ended=ended()))

    @precondition(lambda self: self.jobs)
    @rule(number=some_job, tenant_id=st.sampled_from([TENANT, TENANT, "theirs"]))
    def cancel(self, number: int, tenant_id: str) -> None:
        self.both(lambda world: world.records.request_cancel(tenant_id, self.job(number).id, START))

    @precondition(lambda self: self.jobs)
    @rule(
        number=some_job,
        from_stage=st.none() | a_stage,
        hours=st.integers(1, 3),
        lane=st.none() | st.sampled_from(Lane),
    )
    def open_run(self, number: int, from_stage: str | None, hours: int, lane: Lane | None) -> None:
        new = NewRun(from_stage, None, deadline_at=START + timedelta(hours=hours), at=START, lane=lane)
        self.both(lambda world: world.records.open_run(TENANT, self.job(number).id, new))

    @precondition(lambda self: self.jobs)
    @rule(number=some_job, run=st.integers(0, 3))
    def read_run(self, number: int, run: int) -> None:
        job_id = self.job(number).id
        self.both(lambda world: world.records.job(TENANT, job_id, run))
        self.both(lambda world: world.records.runs(TENANT, job_id))

    @rule(take=st.booleans())
    def keep(self, take: bool) -> None:
        lapsed = self.both(lambda world: world.records.lapsed(limit=3))
        unstarted = self.both(lambda world: world.records.unstarted(older_than_s=AGE_S, limit=3))
        for suspect in lapsed if take else ():
            self.reclaim(suspect)
            self.reclaim(suspect)
        for suspect in unstarted if take else ():
            self.relaunch(suspect)
            self.relaunch(suspect)

    def reclaim(self, suspect: Suspect) -> None:
        self.both(lambda world: world.records.reclaim(suspect, at=START))

    def relaunch(self, suspect: Suspect) -> None:
        self.both(lambda world: world.records.relaunch(suspect))

    @rule(hours=st.integers(0, 2))
    def expire(self, hours: int) -> None:
        self.both(lambda world: world.records.expire(at=START + timedelta(hours=hours, seconds=1), limit=9))

    @precondition(lambda self: self.jobs)
    @rule(number=some_job, stage=a_stage, message=a_message)
    def take_over(self, number: int, stage: str, message: str) -> None:
        key = self.key(self.job(number), stage)
        self.both(lambda world: world.records.take_over(key, message_id=message, at=START))

    @rule()
    def relaunch_all(self) -> None:
        self.both(lambda world: world.records.relaunch_all())

    @rule()
    def resume(self) -> None:
        self.both(lambda world: world.records.resume_interrupted(at=START))

    @rule(
        state=st.sampled_from([None, *JobState]),
        discarded=st.sampled_from([None, True, False]),
        number=st.none() | some_job,
        stage=st.none() | a_stage,
        tags=some_tags,
        limit=st.integers(1, 3),
    )
    def page(
        self,
        state: JobState | None,
        discarded: bool | None,
        stage: str | None,
        tags: tuple[str, ...],
        number: int | None,
        limit: int,
    ) -> None:
        before = self.job(number).id if number is not None and self.jobs else None
        where = JobFilter(states=() if state is None else (state,), stage=stage, tags=tags, discarded=discarded)
        self.both(lambda world: world.records.jobs(TENANT, where, before=before, limit=limit))
        self.both(lambda world: world.records.count(TENANT, where))

    @precondition(lambda self: self.jobs)
    @rule(number=some_job)
    def discard(self, number: int) -> None:
        self.both(lambda world: world.records.discard(TENANT, self.job(number).id, START))

    @rule(age_s=st.sampled_from([0.0, 3600.0]))
    def forget(self, age_s: float) -> None:
        older = Retention(results_s=age_s, intermediates_s=age_s, dead_letters_s=age_s)
        at = START + timedelta(hours=1)
        self.both(lambda world: sorted(world.records.expired_jobs(at, older, limit=9)))
        self.both(lambda world: sorted(map(str, world.records.expire_payloads(at, older, limit=9))))

    @precondition(lambda self: self.jobs)
    @rule(number=some_job, age_s=st.sampled_from([0.0, 3600.0]))
    def purge_expired(self, number: int, age_s: float) -> None:
        job, older = self.job(number), Retention(results_s=age_s, intermediates_s=age_s, dead_letters_s=3600.0)
        if self.both(lambda world: world.records.purge_expired(job.id, START + timedelta(hours=1), older)):
            self.jobs.remove(job)

    @precondition(lambda self: self.jobs)
    @rule(number=some_job)
    def purge(self, number: int) -> None:
        job = self.job(number)
        if not isinstance(self.both(lambda world: world.records.purge(TENANT, job.id)), tuple):
            self.jobs.remove(job)

    @invariant()
    def all_jobs_read_the_same(self) -> None:
        for job in getattr(self, "jobs", ()):
            self.read(job)

    def read(self, job: NewJob) -> None:
        self.both(lambda world: world.read(job))


def answer_of(act: Callable[[World], Any], world: World) -> Any:
    """What came of it, without the moments that depend on the clock."""
    try:
        answer = act(world)
    except PipelineError as error:
        return type(error), str(error)
    match answer:
        case Job():
            return replace(answer, stages=tuple(timeless(stage) for stage in answer.stages))
        case Grant():
            done = tuple(timeless(stage) for stage in answer.done)
            return replace(answer, done=done, parked_s=round(answer.parked_s / STEP_S))
        case Refused():
            return replace(answer, delay_s=round(answer.delay_s))
        case _:
            return answer


def timeless(stage: Any) -> Any:
    return replace(stage, not_before_s=float(stage.not_before_s > 0))


TestTwins = Twins.TestCase
TestTwins.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
