"""Whatever is delivered, lost, cancelled, damaged or run again, in whatever order: the promises hold.

hypothesis draws the order of events; attempts run for real over the twins in memory, whose contract the database
keeps too.
"""

from collections.abc import Callable
from datetime import timedelta

from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pipeline.ids import Claim, Delivery, Hold, StageKey
from pipeline.job import MAX_LOSSES, Job, JobError, JobState, NewJob, StageState
from pipeline.parts import payload_key
from pipeline.ports import Finished
from pipeline.runs import NewRun
from pipeline.work import Grant
from stages.contract import Article, Permanent, Postponed, RetryPolicy, Source, StageError, Tools, Transient
from tests.support.bench import Bench
from tests.support.catalogs import ARTICLE, scripted
from tests.support.jobs import refused_once

STAGES = ("read", "store")
MAX_ATTEMPTS = 3
LEASE_S = 30.0
DAY_S = 24 * 3600

ENDINGS: dict[str, Callable[[], StageError] | None] = {
    "well": None,
    "transient": lambda: Transient("http_server_error"),
    "permanent": lambda: Permanent("http_not_found"),
    "postponed": lambda: Postponed("http_rate_limited", delay_s=5),
}
endings = strategies.sampled_from(sorted(ENDINGS))
stages = strategies.sampled_from(STAGES)
messages = strategies.sampled_from([None, "publisher.1", "publisher.2"])
deliveries = strategies.builds(Delivery, messages, worker_died=strategies.booleans())


class Lives(RuleBasedStateMachine):
    """One job, and everything that can happen to it."""

    @initialize()
    def accept(self) -> None:
        self.ending = "well"
        self.bench = Bench(scripted(self._script, retry=RetryPolicy(max_attempts=MAX_ATTEMPTS, base_s=1, cap_s=2)))
        self.job: NewJob = self.bench.accept()
        self.records = self.bench.records.inner
        self.held: list[Hold] = []
        self.results: dict[int, Claim] = {}
        self.ended: dict[int, JobState] = {}
        self.epochs: dict[tuple[int, str], int] = {}

    def _script(self, _source: Source, _tools: Tools) -> Article:
        make = ENDINGS[self.ending]
        if make is not None:
            raise make()
        return ARTICLE

    # what can happen

    @rule(stage=stages, ending=endings, behind=strategies.integers(0, 2), delivery=deliveries)
    def a_message_is_delivered(self, stage: str, ending: str, behind: int, delivery: Delivery) -> None:
        self.ending = ending
        run = max(1, self._now.run - behind)
        self.bench.attempt_key(StageKey(self.job.id, run, stage), delivery=delivery)

    @precondition(lambda self: not self._now.state.is_terminal)
    @rule(message=messages)
    def a_worker_begins_and_hangs(self, message: str | None) -> None:
        current = self._now.current_stage
        assert current is not None
        stage, key = current.stage, StageKey(self.job.id, self._now.run, current.stage)
        granted = self.records.claim(key, owner="hangs", message_id=message, lease_s=LEASE_S, at=self.bench.clock.now())
        if isinstance(granted, Grant):
            assert granted.epoch > self.epochs.get((key.run, stage), 0)
            self.epochs[key.run, stage] = granted.epoch
            self.held.append(Hold(key, granted.epoch))

    @precondition(lambda self: self.held)
    @rule(data=strategies.data(), how=strategies.sampled_from(["complete", "release", "fail"]))
    def a_hanging_worker_wakes_and_writes(self, data: strategies.DataObject, how: str) -> None:
        hold = data.draw(strategies.sampled_from(self.held))
        before, current = self._now, self._is_current(hold)
        end = Finished(self.bench.clock.now(), 1.0)
        error = JobError("http_server_error", "late", hold.key.stage)
        match how:
            case "complete":
                key = payload_key(self.job.tenant_id, hold.key)
                claim = self.bench.payloads.put(key, ARTICLE.to_bytes(), ARTICLE.media_type)
                kept = self.records.complete(hold, claim, end)
            case "release":
                kept = self.records.release(hold, error, delay_s=1, spends=False, ended=end)
            case _:
                kept = self.records.fail(hold, error, spends=False, ended=end)
        assert kept == current
        if not kept:
            assert self._now in (before, refused_once(before, hold.key.stage))

    @rule()
    def its_lease_runs_out(self) -> None:
        self._lapse()

    @precondition(lambda self: not self._now.state.is_terminal)
    @rule()
    def a_worker_is_cut_off_and_replaced(self) -> None:
        self.a_worker_begins_and_hangs("publisher.1")
        self._lapse()
        if not self._now.state.is_terminal:
            self.a_worker_begins_and_hangs("publisher.2")

    def _lapse(self) -> None:
        self.bench.clock.advance(LEASE_S + 1)
        for suspect in self.records.lapsed(limit=10):
            self.records.reclaim(suspect, at=self.bench.clock.now())

    @rule(delay_s=strategies.sampled_from([1, 1, 5, 5, 10, 10, 20, DAY_S + 1]))
    def time_passes(self, delay_s: int) -> None:
        self.bench.clock.advance(delay_s)
        self.records.expire(at=self.bench.clock.now(), limit=10)

    @rule(luck=strategies.integers(0, 5))
    def it_is_cancelled(self, luck: int) -> None:
        # Rarely, or few jobs would live long enough for anything else.
        if luck == 0 and not self._now.state.is_terminal:
            self.records.request_cancel(self.job.tenant_id, self.job.id, self.bench.clock.now())
            assert self._now.state is JobState.CANCELLED

    @precondition(lambda self: self.bench.objects)
    @rule(data=strategies.data(), gone=strategies.booleans())
    def an_object_is_damaged(self, data: strategies.DataObject, gone: bool) -> None:
        key = data.draw(strategies.sampled_from(sorted(self.bench.objects)))
        if gone:
            del self.bench.objects[key]
        else:
            self.bench.objects[key] = b"damaged"

    @precondition(lambda self: self._now.state.is_terminal and self._now.run < 4)
    @rule(stage=strategies.sampled_from([None, *STAGES]))
    def it_is_run_again(self, stage: str | None) -> None:
        if stage is None and self._now.state is JobState.SUCCEEDED:
            return
        if stage == "store" and self._now.stages[0].claim is None:
            return
        at = self.bench.clock.now()
        new = NewRun(stage, None, deadline_at=at + timedelta(days=1), at=at)
        before = self._now.run
        assert self.records.open_run(self.job.tenant_id, self.job.id, new).run == before + 1

    @rule()
    def the_broker_loses_its_memory(self) -> None:
        self.records.relaunch_all()

    # what holds

    @property
    def _now(self) -> Job:
        job = self.records.job(self.job.tenant_id, self.job.id)
        assert job is not None
        return job

    def _is_current(self, hold: Hold) -> bool:
        job = self._now
        stage = next(stage for stage in job.stages if stage.stage == hold.key.stage)
        latest = stage.tries[-1].epoch if stage.tries else 0
        return job.run == hold.key.run and stage.state is StageState.RUNNING and latest == hold.epoch

    @invariant()
    def stages_are_done_in_order(self) -> None:
        job = self._now
        states = [stage.state for stage in job.stages]
        active = [state for state in states if state in (StageState.READY, StageState.RUNNING)]
        assert len(active) == (0 if job.state.is_terminal else 1)
        if active:
            at = states.index(active[0])
            assert all(state is StageState.SUCCEEDED for state in states[:at])
            assert all(state is StageState.WAITING for state in states[at + 1 :])

    @invariant()
    def nothing_is_tried_without_end(self) -> None:
        for stage in self._now.stages:
            assert stage.attempts <= MAX_ATTEMPTS
            assert stage.losses <= MAX_LOSSES

    @invariant()
    def a_run_ends_once_and_its_result_stays(self) -> None:
        for summary in self.records.runs(self.job.tenant_id, self.job.id):
            if summary.state.is_terminal:
                assert self.ended.setdefault(summary.run, summary.state) is summary.state
            run = self.records.job(self.job.tenant_id, self.job.id, summary.run)
            assert run is not None
            assert (run.result is not None) == (run.state is JobState.SUCCEEDED)
            if run.result is not None:
                assert self.results.setdefault(summary.run, run.result) == run.result

    @invariant()
    def a_failure_says_why(self) -> None:
        job = self._now
        assert (job.error is not None) == (job.state is JobState.FAILED)

    def teardown(self) -> None:
        """Left alone with a keeper and workers that live, the job ends."""
        if not hasattr(self, "bench"):
            return
        self.ending = "well"
        for _ in range(40):
            if self._now.state.is_terminal:
                return
            self._lapse()
            for stage in STAGES:
                self.bench.attempt_key(StageKey(self.job.id, self._now.run, stage))
        raise AssertionError(f"the job did not end: {self._now}")


TestAnyInterleaving = Lives.TestCase
TestAnyInterleaving.settings = settings(max_examples=300, stateful_step_count=50, deadline=None)
