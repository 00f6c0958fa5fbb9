"""Whatever is delivered, lost, cancelled, damaged or run again, a stage that is done in parts keeps the promises.

Beside `test_any_interleaving`, which is about stages as wholes; the parts here are split again by what came of them.
"""

from collections.abc import Callable
from datetime import timedelta

from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pipeline.ids import WHOLE, Claim, Delivery, Hold, StageKey
from pipeline.job import MAX_LOSSES, PARTS_AT_ONCE, Job, JobSource, JobState, NewJob, StageState
from pipeline.memory_jobs import KeptJob, KeptStage
from pipeline.parts import payload_key
from pipeline.ports import Finished
from pipeline.runs import NewRun
from pipeline.work import Grant
from stages.contract import Permanent, Postponed, RetryPolicy, StageError, Tools, Transient
from tests.support.bench import Bench
from tests.support.catalogs import article_of, in_parts

LINES = "abcdefg"
OUTPUT = "A B C+D E F+G"
"""Of three and three results, and the last one."""
MAX_ATTEMPTS = 3
LEASE_S = 30.0
UNFINISHED = (StageState.WAITING, StageState.READY, StageState.RUNNING)
ACTIVE = (StageState.READY, StageState.RUNNING)

ENDINGS: dict[str, Callable[[], StageError] | None] = {
    "well": None,
    "well, too": None,
    "transient": lambda: Transient("llm_unavailable"),
    "permanent": lambda: Permanent("llm_refused"),
    "postponed": lambda: Postponed("llm_rate_limited", delay_s=5),
}
endings = strategies.sampled_from(sorted(ENDINGS))
parts = strategies.integers(0, 12)
deliveries = strategies.builds(
    Delivery, strategies.sampled_from([None, "publisher.1"]), worker_died=strategies.booleans()
)


class LivesInParts(RuleBasedStateMachine):
    """One job whose first stage is done in parts, and everything that can happen to them."""

    @initialize()
    def accept(self) -> None:
        self.ending = "well"
        retry = RetryPolicy(max_attempts=MAX_ATTEMPTS, base_s=1, cap_s=2)
        self.bench = Bench(in_parts(self._work, most=3, retry=retry))
        self.records = self.bench.records.inner
        body = self.bench.payloads.inner.put("default/source", "\n".join(LINES).encode(), "text/plain")
        self.job: NewJob = self.bench.accept(source=JobSource(body=body))
        self.source = body.key
        self.held: list[Hold] = []
        self.done: dict[StageKey, Claim] = {}

    def _work(self, text: str, _tools: Tools) -> str:
        make = ENDINGS[self.ending]
        if make is not None:
            raise make()
        return text.upper()

    # what can happen

    @rule(part=parts, ending=endings, delivery=deliveries)
    def a_message_is_delivered(self, part: int, ending: str, delivery: Delivery) -> None:
        self.ending = ending
        self.bench.attempt_key(self._key(part), delivery=delivery)

    @rule()
    def all_that_is_ready_is_delivered(self) -> None:
        self.ending = "well"
        for piece in list(self._kept.pieces):
            if piece.state is StageState.READY:
                self.bench.attempt_key(piece.key)

    @rule(part=parts)
    def a_worker_begins_and_hangs(self, part: int) -> None:
        key = self._key(part)
        granted = self.records.claim(key, owner="hangs", message_id="publisher.1", lease_s=LEASE_S, at=self._now)
        if isinstance(granted, Grant):
            self.held.append(Hold(key, granted.epoch))

    @precondition(lambda self: self.held)
    @rule(data=strategies.data())
    def a_hanging_worker_wakes_and_writes(self, data: strategies.DataObject) -> None:
        hold = data.draw(strategies.sampled_from(self.held))
        piece = self._piece(hold.key)
        if piece is not None and piece.input is not None and not self._is_sound(piece.input):
            return  # It could not have done its work.
        current = piece is not None and piece.state is StageState.RUNNING and piece.epoch == hold.epoch
        assert self._write(hold, piece) == current

    def _write(self, hold: Hold, piece: KeptStage | None) -> bool:
        ended = Finished(self._now, 1.0)
        if hold.key.part == WHOLE:
            return self.records.split(hold, [self._kept_text(hold.key, line) for line in LINES], 4, ended) is not None
        text = "" if piece is None or piece.input is None else self._text_of(piece.input).upper()
        return self.records.complete_part(hold, self._kept_text(hold.key, text), ended) is not None

    @rule()
    def leases_run_out(self) -> None:
        self.bench.clock.advance(LEASE_S + 1)
        for suspect in self.records.lapsed(limit=20):
            self.records.reclaim(suspect, at=self._now)

    @rule(delay_s=strategies.sampled_from([1, 5, 10]))
    def time_passes(self, delay_s: int) -> None:
        self.bench.clock.advance(delay_s)

    @rule(luck=strategies.integers(0, 9))
    def it_is_cancelled(self, luck: int) -> None:
        if luck == 0 and not self._job.state.is_terminal:
            self.records.request_cancel(self.job.tenant_id, self.job.id, self._now)

    @rule(data=strategies.data(), gone=strategies.booleans())
    def an_object_is_damaged(self, data: strategies.DataObject, gone: bool) -> None:
        keys = sorted(key for key in self.bench.objects if key != self.source)
        if not keys:
            return
        key = data.draw(strategies.sampled_from(keys))
        if gone:
            del self.bench.objects[key]
        else:
            self.bench.objects[key] = b"damaged"

    @precondition(lambda self: self._job.state.is_terminal and self._job.run < 4)
    @rule(stage=strategies.sampled_from([None, None, "count"]))
    def it_is_run_again(self, stage: str | None) -> None:
        if stage is None and self._job.state is JobState.SUCCEEDED:
            return
        new = NewRun(stage, None, deadline_at=self._now + timedelta(days=1), at=self._now)
        self.records.open_run(self.job.tenant_id, self.job.id, new)

    @rule()
    def the_broker_loses_its_memory(self) -> None:
        self.records.relaunch_all()

    # what holds

    @invariant()
    def few_parts_are_under_way_and_never_none(self) -> None:
        (whole, _store), active = self._kept.stages, [part for part in self._kept.parts if part.state in ACTIVE]
        assert len(active) <= PARTS_AT_ONCE
        assert bool(active) == (whole.state is StageState.SPLIT)

    @invariant()
    def a_stage_goes_on_only_with_all_its_parts(self) -> None:
        whole = self._kept.stages[0]
        if whole.level and whole.state in (*ACTIVE, StageState.SUCCEEDED):
            assert {part.state for part in self._kept.parts_of(whole)} == {StageState.SUCCEEDED}

    @invariant()
    def nothing_is_left_of_a_job_that_is_over(self) -> None:
        if self._job.state.is_terminal:
            assert all(piece.state.is_terminal for piece in self._kept.pieces)

    @invariant()
    def nothing_is_tried_without_end(self) -> None:
        for piece in self._kept.pieces:
            assert piece.record.attempts <= MAX_ATTEMPTS
            assert piece.record.losses <= MAX_LOSSES

    @invariant()
    def a_result_stays_and_is_right(self) -> None:
        for piece in self._kept.pieces:
            if piece.record.claim is not None and piece.record.reruns == 0:
                assert self.done.setdefault(piece.key, piece.record.claim) == piece.record.claim
        claim = self._kept.stages[0].record.claim
        if claim is not None and self._is_sound(claim):
            assert self._text_of(claim) == OUTPUT

    def teardown(self) -> None:
        """Left alone with a keeper and workers that live, the job ends."""
        if not hasattr(self, "bench"):
            return
        for _ in range(60):
            if self._job.state.is_terminal:
                return
            self.leases_run_out()
            self.all_that_is_ready_is_delivered()
        raise AssertionError(f"the job did not end: {self._kept}")

    # about it

    @property
    def _now(self):
        return self.bench.clock.now()

    @property
    def _job(self) -> Job:
        return self.bench.read(self.job)

    @property
    def _kept(self) -> KeptJob:
        kept: KeptJob = self.records._kept[self.job.id]
        return kept

    def _key(self, part: int) -> StageKey:
        return StageKey(self.job.id, self._job.run, "count", part)

    def _piece(self, key: StageKey) -> KeptStage | None:
        current = self._job.run == key.run
        return next((piece for piece in self._kept.pieces if piece.key == key), None) if current else None

    def _kept_text(self, key: StageKey, text: str) -> Claim:
        article = article_of(text)
        return self.bench.payloads.inner.put(
            payload_key(self.job.tenant_id, key), article.to_bytes(), article.media_type
        )

    def _is_sound(self, claim: Claim) -> bool:
        return self.bench.objects.get(claim.key, b"damaged") != b"damaged"

    def _text_of(self, claim: Claim) -> str:
        if not self._is_sound(claim):
            return ""
        return type(article_of("")).from_bytes(self.bench.payloads.inner.get(claim)).text


TestAnyInterleavingOfParts = LivesInParts.TestCase
TestAnyInterleavingOfParts.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
