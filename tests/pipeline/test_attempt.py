from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256

import pytest

from pipeline import attempt as attempt_module
from pipeline.errors import PayloadsUnavailable, RecordsUnavailable
from pipeline.ids import Delivery, Hold
from pipeline.job import MAX_LOSSES, JobSource, JobState, NewJob, StageState
from pipeline.memory import MemoryBreakers
from pipeline.outcome import Again, Cancelled, Dead, Done, Early, Outcome, Returned, Stale, Superseded
from stages.contract import Article, Document, Options, Permanent, Postponed, RetryPolicy, Source, Tools, Transient
from tests.support.bench import Bench
from tests.support.catalogs import ARTICLE, FIVE, five_stages, scripted
from tests.support.jobs import MESSAGE, ended, key_of, output_of

REDELIVERED = Delivery(MESSAGE, worker_died=True)
PARAGRAPH = "The dam holds back the water of a whole winter, and lets it go when the fields are dry. "


def bench_of(
    script: Callable[[Source, Tools], Article] = lambda _source, _tools: ARTICLE, **declaration: object
) -> Bench:
    return Bench(scripted(script, **declaration))


def raising(*errors: Exception, **declaration: object) -> Bench:
    """A stage that fails with each of these in turn, and then works."""
    left = list(errors)

    def script(_source: Source, _tools: Tools) -> Article:
        if left:
            raise left.pop(0)
        return ARTICLE

    return bench_of(script, **declaration)


# the good way


def test_a_pipeline_of_five_stages_with_one_of_ones_own_ends_in_a_document() -> None:
    bench = Bench(five_stages())
    body = bench.payloads.put("default/x/1/source.0", (PARAGRAPH * 20).encode(), "text/plain")
    job = bench.accept(source=JobSource(body=body, content_type="text/plain; charset=utf-8"))
    for stage in FIVE:
        assert isinstance(bench.attempt(job, stage), Done)
    read = bench.read(job)
    assert (read.state, read.progress) == (JobState.SUCCEEDED, 100)
    assert read.result is not None
    document = Document.from_bytes(bench.payloads.get(read.result))
    assert document.text.startswith("THE DAM HOLDS BACK")
    assert document.metadata.language == "la"
    assert document.summary is not None
    assert "WATER" in document.summary.text
    assert [step.stage for step in document.provenance] == list(FIVE[:-1])
    assert {step.sha256 for step in document.provenance} == {record.claim.sha256 for record in read.stages[:-1]}  # type: ignore[union-attr]


def test_an_output_is_kept_under_its_key_and_hash() -> None:
    bench = bench_of()
    job = bench.accept()
    done = bench.attempt(job, "read")
    assert isinstance(done, Done)
    data = ARTICLE.to_bytes()
    digest = sha256(data).hexdigest()
    assert done.claim.key == f"default/{job.id}/1/read.0-{digest}"
    assert (done.claim.sha256, done.claim.size, done.claim.media_type) == (digest, len(data), Article.media_type)
    assert bench.objects[done.claim.key] == data
    assert bench.stage(job, "read").claim == done.claim


def test_success_is_recorded_with_its_times_and_readies_the_next_stage() -> None:
    def slow(_source: Source, tools: Tools) -> Article:
        bench.clock.advance(4)
        return ARTICLE

    bench = bench_of(slow)
    job = bench.accept()
    began = bench.clock.now()
    bench.attempt(job, "read")
    record = bench.stage(job, "read")
    assert (record.state, record.attempts, record.duration_s) == (StageState.SUCCEEDED, 1, 4)
    assert (record.started_at, record.finished_at) == (began, began + timedelta(seconds=4))
    assert [attempt.outcome for attempt in record.tries] == ["succeeded"]
    assert bench.stage(job, "store").state is StageState.READY


def test_a_stage_sees_its_job_and_nothing_else() -> None:
    seen: list[tuple[Source, Tools]] = []

    def look(source: Source, tools: Tools) -> Article:
        seen.append((source, tools))
        return ARTICLE

    bench = bench_of(look, time_limit_s=7)
    body = bench.payloads.put("default/x/1/source.0", b"<p>", "text/html")
    job = bench.accept(
        source=JobSource(body=body, content_type="text/html", name="a.html"), options=Options(processing="detailed")
    )
    bench.attempt(job, "read")
    ((source, tools),) = seen
    assert source == Source(body=b"<p>", content_type="text/html", name="a.html")
    assert (tools.options.processing, tools.llm, tools.scope.remaining_s()) == ("detailed", None, 7)
    facts = tools.job
    assert (facts.job_id, facts.run, facts.pipeline, facts.created_at) == (job.id, 1, "scripted", job.created_at)
    assert (facts.source_url, facts.source_name, facts.source_content_type) == (None, "a.html", "text/html")
    assert tools.history.steps == ()


# delivered when there is nothing to do


def test_a_finished_stage_delivered_again_hands_on_the_recorded_claim() -> None:
    bench = bench_of()
    job = bench.accept()
    first = bench.attempt(job, "read")
    stored = len(bench.objects)
    assert bench.attempt(job, "read") == first
    assert len(bench.objects) == stored
    assert len(bench.stage(job, "read").tries) == 1


def test_one_that_another_worker_owns_is_left_alone() -> None:
    bench = bench_of()
    job = bench.accept()
    bench.claim(job, "read")
    assert bench.attempt(job, "read") == Superseded()
    assert bench.stage(job, "read").state is StageState.RUNNING


def test_one_whose_worker_is_known_to_be_dead_is_taken_over_at_once() -> None:
    bench = bench_of()
    job = bench.accept()
    bench.claim(job, "read")
    assert isinstance(bench.attempt(job, "read", delivery=REDELIVERED), Done)
    record = bench.stage(job, "read")
    assert (record.losses, [attempt.outcome for attempt in record.tries]) == (1, ["lost", "succeeded"])


def test_one_that_runs_for_another_message_is_left_to_its_worker() -> None:
    bench = bench_of()
    job = bench.accept()
    bench.claim(job, "read")
    late = Delivery("publisher.0", worker_died=True)
    assert bench.attempt(job, "read", delivery=late) == Superseded()
    record = bench.stage(job, "read")
    assert (record.state, record.losses) == (StageState.RUNNING, 0)


def test_a_stage_whose_workers_keep_dying_is_given_up() -> None:
    bench = bench_of()
    job = bench.accept()
    for _ in range(MAX_LOSSES):
        bench.claim(job, "read")
        bench.records.take_over(key_of(job, "read"), message_id=MESSAGE, at=bench.clock.now())
    assert bench.attempt(job, "read", delivery=REDELIVERED) == Superseded()
    error = bench.read(job).error
    assert error is not None
    assert error.code == "worker_lost"


def test_a_dead_worker_that_had_recorded_its_outcome_costs_nothing() -> None:
    bench = bench_of()
    job = bench.accept()
    first = bench.attempt(job, "read")
    assert bench.attempt(job, "read", delivery=REDELIVERED) == first
    assert bench.stage(job, "read").losses == 0


def test_one_delivered_too_early_says_how_long_to_wait() -> None:
    bench = raising(Postponed("http_rate_limited", delay_s=40))
    job = bench.accept()
    bench.attempt(job, "read")
    bench.clock.advance(15)
    assert bench.attempt(job, "read") == Early(25)
    bench.clock.advance(25)
    assert isinstance(bench.attempt(job, "read"), Done)


def test_one_whose_predecessor_is_unfinished_or_that_nobody_knows_is_dropped() -> None:
    bench = bench_of()
    job = bench.accept()
    assert bench.attempt(job, "store") == Superseded()
    assert bench.attempt(job, "fry") == Superseded()


def test_one_of_a_cancelled_job_does_no_work() -> None:
    bench = raising(AssertionError("must not run"))
    job = bench.accept()
    bench.records.request_cancel(job.tenant_id, job.id, bench.clock.now())
    assert bench.attempt(job, "read") == Cancelled()


# failures


def test_a_passing_failure_spends_an_attempt_and_waits() -> None:
    bench = raising(Transient("dns_failure"), retry=RetryPolicy(max_attempts=2, base_s=8))
    job = bench.accept()
    again = bench.attempt(job, "read")
    assert isinstance(again, Again)
    record = bench.stage(job, "read")
    assert (record.state, record.attempts, record.error) == (StageState.READY, 1, again.error)
    assert record.not_before_s == pytest.approx(bench.clock.now().timestamp() + again.delay_s)
    bench.clock.advance(again.delay_s + 0.001)
    assert isinstance(bench.attempt(job, "read"), Done)
    assert [attempt.outcome for attempt in bench.stage(job, "read").tries] == ["retried", "succeeded"]


def test_when_the_attempts_are_spent_the_job_fails_with_the_last_error() -> None:
    bench = raising(Transient("dns_failure"), Transient("connect_failed"), retry=RetryPolicy(max_attempts=2, base_s=0))
    job = bench.accept()
    bench.attempt(job, "read")
    dead = bench.attempt(job, "read")
    assert isinstance(dead, Dead)
    read = bench.read(job)
    assert (read.state, read.error) == (JobState.FAILED, dead.error)
    assert dead.error.code == "connect_failed"
    assert [record.state for record in read.stages] == [StageState.FAILED, StageState.CANCELLED]
    assert bench.stage(job, "read").attempts == 2


def test_patience_spends_nothing_and_ends_when_it_was_parked_too_long() -> None:
    bench = raising(*[Postponed("http_rate_limited", delay_s=400)] * 3)
    job = bench.accept()
    for _ in range(2):
        assert isinstance(bench.attempt(job, "read"), Again)
        bench.clock.advance(400)
    assert bench.stage(job, "read").attempts == 0
    dead = bench.attempt(job, "read")
    assert isinstance(dead, Dead)
    assert (dead.error.code, bench.stage(job, "read").attempts) == ("dependency_unavailable", 0)
    assert bench.read(job).state is JobState.FAILED


def test_an_attempt_in_between_starts_the_parking_anew() -> None:
    patience = Postponed("http_rate_limited", delay_s=800)
    bench = raising(patience, Transient("dns_failure"), patience, retry=RetryPolicy(base_s=0))
    job = bench.accept()
    for _ in range(3):
        assert isinstance(bench.attempt(job, "read"), Again)
        bench.clock.advance(800)
    assert isinstance(bench.attempt(job, "read"), Done)


def test_a_job_that_cannot_meet_its_deadline_fails_at_once() -> None:
    bench = raising(Postponed("http_rate_limited", delay_s=60))
    job = bench.accept(deadline_at=bench.clock.now() + timedelta(seconds=30))
    dead = bench.attempt(job, "read")
    assert isinstance(dead, Dead)
    assert dead.error.code == "deadline_exceeded"
    assert bench.read(job).state is JobState.FAILED


def test_a_defect_fails_the_job_and_its_traceback_is_in_the_record() -> None:
    bench = raising(ZeroDivisionError("oops"))
    job = bench.accept()
    assert isinstance(bench.attempt(job, "read"), Dead)
    error = bench.read(job).error
    assert error is not None
    assert (error.code, error.message) == ("internal_error", "ZeroDivisionError in read")
    assert "ZeroDivisionError: oops" in (error.traceback or "")


def test_a_stage_of_another_version_fails_the_job_and_says_which() -> None:
    bench = bench_of()
    job = bench.accept(stages=("fry", "store"))
    dead = bench.attempt(job, "fry")
    assert isinstance(dead, Dead)
    assert dead.error.code == "unknown_stage"
    assert "fry" in dead.error.message


@pytest.mark.parametrize("late_s", [10.0, 11.0])
def test_what_comes_after_the_time_limit_is_not_kept(late_s: float) -> None:
    def slow(_source: Source, _tools: Tools) -> Article:
        bench.clock.advance(late_s)
        return ARTICLE

    bench = bench_of(slow, time_limit_s=10)
    job = bench.accept()
    again = bench.attempt(job, "read")
    assert isinstance(again, Again)
    assert (again.error.code, again.spends) == ("stage_timeout", True)
    assert not bench.objects


# payloads


def damaged(bench: Bench, damage: str, done: Outcome) -> None:
    assert isinstance(done, Done)
    if damage == "gone":
        del bench.objects[done.claim.key]
    else:
        bench.objects[done.claim.key] = b"x" * done.claim.size


@pytest.mark.parametrize(("damage", "code"), [("gone", "payload_missing"), ("changed", "payload_corrupt")])
def test_a_damaged_input_is_made_again(damage: str, code: str) -> None:
    bench = bench_of()
    job = bench.accept()
    done = bench.attempt(job, "read")
    damaged(bench, damage, done)
    returned = bench.attempt(job, "store")
    assert isinstance(returned, Returned)
    assert (returned.error.code, bench.stage(job, "store").attempts) == (code, 0)
    assert bench.stage(job, "read").state is StageState.READY
    assert bench.attempt(job, "read") == done
    assert isinstance(bench.attempt(job, "store"), Done)


def test_what_is_damaged_is_put_aside() -> None:
    bench = bench_of()
    job = bench.accept()
    done = bench.attempt(job, "read")
    damaged(bench, "changed", done)
    bench.attempt(job, "store")
    assert bench.payloads.log.count("quarantine") == 1


@pytest.mark.parametrize(("damage", "code"), [("gone", "payload_missing"), ("changed", "payload_corrupt")])
def test_an_input_that_is_damaged_twice_fails_the_job(damage: str, code: str) -> None:
    bench = bench_of()
    job = bench.accept()
    for _ in range(2):
        damaged(bench, damage, bench.attempt(job, "read"))
        bench.attempt(job, "store")
    error = bench.read(job).error
    assert error is not None
    assert (error.code, error.stage) == (code, "store")


def test_submitted_content_that_is_gone_fails_the_job() -> None:
    bench = bench_of()
    job = bench.accept(source=JobSource(body=output_of("source")))
    bench.attempt(job, "read")
    error = bench.read(job).error
    assert error is not None
    assert error.code == "payload_missing"


@pytest.mark.parametrize("method", ["put", "get"])
def test_a_store_that_is_down_makes_the_stage_wait_and_spends_nothing(method: str) -> None:
    bench = bench_of()
    job = bench.accept()
    stage = "read" if method == "put" else "store"
    if stage == "store":
        bench.attempt(job, "read")
    bench.payloads.broken[method] = PayloadsUnavailable("the disk is full")
    again = bench.attempt(job, stage)
    assert isinstance(again, Again)
    assert (again.error.code, bench.stage(job, stage).attempts) == ("storage_unavailable", 0)
    bench.payloads.broken.clear()
    bench.clock.advance(again.delay_s)
    assert isinstance(bench.attempt(job, stage), Done)


# holds and records


def take_over(bench: Bench, job: NewJob) -> Hold:
    """Let the lease of the running attempt lapse and give the stage to another worker."""
    bench.clock.advance(31)
    (suspect,) = bench.records.inner.lapsed(limit=10)
    assert bench.records.inner.reclaim(suspect, at=bench.clock.now())
    granted = bench.claim(job, "read")
    return Hold(granted.key, granted.epoch)


@pytest.mark.parametrize("error", [None, Transient("dns_failure"), Permanent("too_large"), ValueError()])
def test_a_worker_that_was_replaced_changes_nothing_however_it_ends(error: Exception | None) -> None:
    def overtaken(_source: Source, _tools: Tools) -> Article:
        holds.append(take_over(bench, job))
        if error is not None:
            raise error
        return ARTICLE

    holds: list[Hold] = []
    bench = bench_of(overtaken)
    job = bench.accept()
    assert bench.attempt(job, "read") == Stale(epoch=1)
    record = bench.stage(job, "read")
    assert (record.state, record.claim, record.attempts) == (StageState.RUNNING, None, 0)
    assert record.stale_writes == 1
    assert bench.records.complete(holds[0], output_of("read"), ended())
    assert bench.stage(job, "read").claim == output_of("read")


def test_a_hold_is_kept_while_the_stage_runs_and_no_longer() -> None:
    def look(_source: Source, _tools: Tools) -> Article:
        held.extend(bench.leases.tokens)
        return ARTICLE

    held: list[Hold] = []
    bench = bench_of(look)
    job = bench.accept()
    bench.attempt(job, "read")
    assert [(hold.key.stage, hold.epoch) for hold in held] == [("read", 1)]
    assert not bench.leases.tokens


@pytest.mark.parametrize("notices", [True, False])
def test_a_job_cancelled_in_the_middle_keeps_nothing(notices: bool) -> None:
    def called_off(_source: Source, tools: Tools) -> Article:
        bench.records.request_cancel(job.tenant_id, job.id, bench.clock.now())
        if notices:
            bench.leases.renew(bench.records)
            tools.scope.check()
            raise AssertionError("the scope should have said that the job is cancelled")
        return ARTICLE

    bench = bench_of(called_off)
    job = bench.accept()
    assert bench.attempt(job, "read") == (Cancelled() if notices else Stale(epoch=1))
    assert bench.read(job).state is JobState.CANCELLED
    assert bench.stage(job, "read").claim is None


def test_an_attempt_whose_worker_is_stopped_is_left_to_another() -> None:
    def stopped(_source: Source, tools: Tools) -> Article:
        tools.scope.token.cancel(for_now=True)
        tools.scope.check()
        raise AssertionError("the scope should have said that it is over")

    bench = bench_of(stopped)
    job = bench.accept()
    again = bench.attempt(job, "read")
    assert isinstance(again, Again)
    assert (again.error.code, again.delay_s, again.spends) == ("worker_stopped", 0.0, False)
    record = bench.stage(job, "read")
    assert (record.state, record.attempts, record.losses) == (StageState.READY, 0, 0)


def test_a_job_that_is_cancelled_while_its_worker_stops_is_cancelled() -> None:
    def both(_source: Source, tools: Tools) -> Article:
        bench.records.request_cancel(job.tenant_id, job.id, bench.clock.now())
        bench.leases.renew(bench.records)
        tools.scope.token.cancel(for_now=True)
        tools.scope.check()
        raise AssertionError("the scope should have said that it is over")

    bench = bench_of(both)
    job = bench.accept()
    assert bench.attempt(job, "read") == Cancelled()


def test_an_outcome_is_kept_until_it_can_be_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = bench_of()
    job = bench.accept()
    away = iter([True, True, False])
    record = attempt_module._record

    def recorded(*args: object) -> Outcome:
        if next(away):
            raise RecordsUnavailable("no answer")
        assert bench.leases.tokens
        return record(*args)

    monkeypatch.setattr(attempt_module, "BETWEEN_RECORDS_S", 0)
    monkeypatch.setattr(attempt_module, "_record", recorded)
    assert isinstance(bench.attempt(job, "read"), Done)
    assert len(bench.stage(job, "read").tries) == 1


@pytest.mark.parametrize("method", ["claim", "complete"])
def test_records_that_are_down_are_for_the_deliverer_to_handle(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt_module, "BETWEEN_RECORDS_S", 0)
    bench = bench_of()
    job = bench.accept()
    bench.records.broken[method] = RecordsUnavailable("no answer")
    with pytest.raises(RecordsUnavailable):
        bench.attempt(job, "read")
    assert not bench.leases.tokens


# breakers


def test_an_open_breaker_makes_the_stage_wait_without_running_it() -> None:
    bench = raising(AssertionError("must not run"), guard=lambda source, _tools: f"origin:{source.url}")
    bench.breakers = MemoryBreakers(open_for_s={"origin:https://example.org/": 20})
    job = bench.accept()
    again = bench.attempt(job, "read")
    assert isinstance(again, Again)
    assert (again.delay_s, again.spends, again.error.code) == (20, False, "dependency_unavailable")


def test_a_failure_is_blamed_on_the_dependency_that_the_stage_names() -> None:
    bench = raising(Transient("dns_failure"), Permanent("http_not_found"), guard=lambda *_: "origin:example.org")
    job = bench.accept()
    again = bench.attempt(job, "read")
    assert isinstance(again, Again)
    bench.clock.advance(again.delay_s + 0.001)
    assert isinstance(bench.attempt(job, "read"), Dead)
    assert bench.breakers.failures == {"origin:example.org": 1}


def test_a_guard_that_fails_is_a_defect_and_not_the_end_of_the_worker() -> None:
    def broken(_payload: object, _tools: Tools) -> str:
        raise KeyError("guard")

    bench = bench_of(guard=broken)
    dead = bench.attempt(bench.accept(), "read")
    assert isinstance(dead, Dead)
    assert dead.error.code == "internal_error"
