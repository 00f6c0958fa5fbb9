from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestration.gate import Gate
from orchestration.launch import launch
from orchestration.tasks import register_tasks
from orchestration.transport import DELIVERY_COUNT, MESSAGE_ID
from pipeline import attempt
from pipeline.errors import PayloadsUnavailable, RecordsUnavailable
from pipeline.job import PARTS_AT_ONCE, JobSource, JobState, Lane, NewJob, StageState
from pipeline.outcome import MACHINERY_DELAY_S
from stages.contract import Article, Permanent, Postponed, RetryPolicy, Source, Tools, Transient
from tests.support.bench import Bench
from tests.support.broker import MemoryBroker, Published
from tests.support.catalogs import ARTICLE, in_parts, scripted
from tests.support.jobs import MESSAGE, key_of


class Deployment:
    """One job of the pipeline `scripted`, launched; its first stage fails with each of `errors` in turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *errors: Exception, lane: Lane = Lane.NORMAL) -> None:
        self.errors = list(errors)
        self.gate = Gate()
        self.bench = Bench(scripted(self.script, retry=RetryPolicy(max_attempts=2, base_s=9)))
        self.broker = MemoryBroker(monkeypatch, self.bench.catalog.stages.values())
        register_tasks(self.broker.app, self.bench.catalog, lambda: self.bench.services, self.gate)
        self.job: NewJob = self.bench.accept(lane=lane)
        launch(self.broker.app, key_of(self.job, "read"), self.job.stages, lane, number=1)

    def script(self, _source: Source, _tools: Tools) -> Article:
        if self.errors:
            raise self.errors.pop(0)
        return ARTICLE

    def work(self, stage: str = "read") -> object:
        (result,) = self.broker.work(stage)
        return result


class InParts:
    """A job whose first stage is done in parts, launched."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *lines: str, lane: Lane = Lane.NORMAL) -> None:
        self.errors: list[Exception] = []
        self.bench = Bench(in_parts(self.work_on))
        self.broker = MemoryBroker(monkeypatch, self.bench.catalog.stages.values())
        register_tasks(self.broker.app, self.bench.catalog, lambda: self.bench.services, Gate())
        body = self.bench.payloads.inner.put("default/body", "\n".join(lines).encode(), "text/plain")
        self.job = self.bench.accept(source=JobSource(body=body), lane=lane)
        launch(self.broker.app, key_of(self.job, "count"), self.job.stages, lane, number=1)

    def work_on(self, text: str, _tools: Tools) -> str:
        if self.errors:
            raise self.errors.pop()
        return text.upper()

    def work(self, stage: str = "count") -> object:
        return self.broker.deliver(self.broker.take(stage))

    @property
    def ids(self) -> list[str]:
        """What waits, without the id of the job."""
        return [message.id.removeprefix(f"{self.job.id}:1:") for message in self.broker.all_waiting()]


def delay_of(message: Published) -> float:
    """How long the broker is to hold a message back, in seconds."""
    return (datetime.fromisoformat(message.headers["eta"]) - datetime.now(UTC)) / timedelta(seconds=1)


def test_a_done_stage_hands_its_claim_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Deployment(monkeypatch)
    claim = here.work()
    (following,) = here.broker.all_waiting()
    recorded = here.bench.stage(here.job, "read").claim
    assert recorded is not None
    assert claim == recorded.as_dict()
    assert set(recorded.as_dict()) == {"key", "sha256", "size", "media_type"}
    assert (following.queue, following.args) == ("store", [claim])
    assert following.kwargs == {"v": 1, "job_id": here.job.id, "run": 1, "stage": "store", "part": 0}


def test_the_claim_in_a_message_is_a_hint_that_nobody_trusts(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Deployment(monkeypatch)
    here.work()
    message = here.broker.take("store")
    message.args[0] = {"key": "other/secret", "sha256": "0", "size": 1, "media_type": "text/plain"}
    here.broker.deliver(message)
    assert here.bench.read(here.job).state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("error", "delays"),
    [(Transient("dns_failure"), (0, 9)), (Postponed("http_rate_limited", delay_s=40), (39, 40))],
)
def test_again_is_the_same_message_with_a_delay(
    monkeypatch: pytest.MonkeyPatch, error: Exception, delays: tuple[float, float]
) -> None:
    here = Deployment(monkeypatch, error, lane=Lane.BULK)
    (first,) = here.broker.waiting("read")
    assert here.work() == "RETRY"
    (again,) = here.broker.all_waiting()
    assert (again.queue, again.id, again.priority) == (first.queue, first.id, first.priority)
    assert (again.args, again.kwargs) == (first.args, first.kwargs)
    assert [link["task"] for link in again.embed["chain"]] == ["penstock.store"]
    assert delays[0] - 1 <= delay_of(again) <= delays[1]
    here.bench.clock.advance(60)
    here.work()
    here.work("store")
    assert here.bench.read(here.job).state is JobState.SUCCEEDED


def test_patience_outlasts_any_number_of_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Deployment(monkeypatch, *[Postponed("http_rate_limited", delay_s=10)] * 30)
    for _ in range(30):
        assert here.work() == "RETRY"
        here.bench.clock.advance(10)
    assert here.work() != "RETRY"
    assert here.bench.stage(here.job, "read").state is StageState.SUCCEEDED


def test_one_delivered_too_early_waits_for_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Deployment(monkeypatch, Postponed("http_rate_limited", delay_s=100))
    here.work()
    here.bench.clock.advance(40)
    assert here.work() == "RETRY"
    (again,) = here.broker.waiting("read")
    assert 58 <= delay_of(again) <= 60
    assert len(here.bench.stage(here.job, "read").tries) == 1


@pytest.mark.parametrize("error", [Permanent("http_not_found"), ZeroDivisionError()])
def test_a_dead_stage_ends_the_chain(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    here = Deployment(monkeypatch, error)
    assert here.work() == "IGNORED"
    assert not here.broker.all_waiting()
    assert here.bench.read(here.job).state is JobState.FAILED


def test_a_defect_is_logged_with_its_traceback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    here = Deployment(monkeypatch, ZeroDivisionError("oops"))
    here.work()
    assert "ZeroDivisionError: oops" in caplog.text
    assert here.job.id in caplog.text


def test_one_that_another_worker_owns_ends_here(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Deployment(monkeypatch)
    here.bench.claim(here.job, "read")
    assert here.work() == "IGNORED"
    assert not here.broker.all_waiting()


def test_a_result_that_is_refused_is_logged_with_its_epoch(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Overtaken(Deployment):
        def script(self, source: Source, tools: Tools) -> Article:
            self.bench.clock.advance(self.bench.leases.lease_s + 1)
            (suspect,) = self.bench.records.lapsed(limit=10)
            assert self.bench.records.reclaim(suspect, at=self.bench.clock.now())
            return ARTICLE

    here = Overtaken(monkeypatch)
    assert here.work() == "IGNORED"
    assert not here.broker.all_waiting()
    (line,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert line.getMessage().startswith(f"{here.job.id}:1:read:0: the result of epoch 1 is refused")
    assert here.bench.stage(here.job, "read").stale_writes == 1


def test_a_message_that_a_worker_died_with_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Deployment(monkeypatch)
    here.bench.claim(here.job, "read")
    (message,) = here.broker.waiting("read")
    redelivered = replace(message, headers={**message.headers, MESSAGE_ID: MESSAGE, DELIVERY_COUNT: 1})
    assert isinstance(here.broker.deliver(redelivered), dict)
    assert here.bench.stage(here.job, "read").losses == 1


def test_one_of_a_cancelled_job_ends_here(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Deployment(monkeypatch)
    here.bench.records.request_cancel(here.job.tenant_id, here.job.id, here.bench.clock.now())
    assert here.work() == "IGNORED"
    assert not here.broker.all_waiting()


def test_a_finished_stage_delivered_again_goes_on_and_is_refused_where_it_was_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = Deployment(monkeypatch)
    (message,) = here.broker.waiting("read")
    claim = here.work()
    assert here.broker.deliver(message) == claim
    assert len(here.broker.waiting("store")) == 2
    done = here.work("store")
    assert here.work("store") == done
    assert len(here.bench.stage(here.job, "store").tries) == 1


@pytest.mark.parametrize("method", ["claim", "complete"])
def test_without_the_records_the_message_comes_back_later(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    here = Deployment(monkeypatch)
    monkeypatch.setattr(attempt, "BETWEEN_RECORDS_S", 0)
    here.bench.records.broken[method] = RecordsUnavailable("no answer")
    assert here.work() == "RETRY"
    (again,) = here.broker.waiting("read")
    assert MACHINERY_DELAY_S - 1 <= delay_of(again) <= MACHINERY_DELAY_S
    assert here.bench.stage(here.job, "read").attempts == 0


def test_without_the_payload_store_the_message_comes_back_later(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Deployment(monkeypatch)
    here.bench.payloads.broken["put"] = PayloadsUnavailable("the disk is full")
    assert here.work() == "RETRY"
    here.bench.payloads.broken.clear()
    here.bench.clock.advance(MACHINERY_DELAY_S)
    here.work()
    assert here.bench.stage(here.job, "read").state is StageState.SUCCEEDED


def test_a_message_of_another_version_waits_for_a_worker_that_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Deployment(monkeypatch)
    message = here.broker.take("read")
    message.kwargs["v"] = 2
    assert here.broker.deliver(message) == "RETRY"
    (again,) = here.broker.waiting("read")
    assert again.kwargs["v"] == 2
    assert here.bench.stage(here.job, "read").state is StageState.READY


def test_a_retry_that_cannot_be_published_is_left_to_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Deployment(monkeypatch, Postponed("http_rate_limited", delay_s=10))
    message = here.broker.take("read")
    here.broker.is_down = True
    assert here.broker.deliver(message) == "REJECTED"
    here.bench.clock.advance(60)
    (found,) = here.bench.records.unstarted(older_than_s=20, limit=10)
    assert found.key == key_of(here.job, "read")


def test_while_the_gate_is_shut_a_message_waits_and_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Deployment(monkeypatch)
    here.gate.is_open = False
    assert here.work() == "RETRY"
    assert here.bench.records.log == []
    (waiting,) = here.broker.all_waiting()
    assert 0 < delay_of(waiting) <= MACHINERY_DELAY_S
    here.gate.is_open = True
    here.work()
    assert here.bench.stage(here.job, "read").state is StageState.SUCCEEDED


# parts


def test_parts_are_messages_of_their_own_with_their_stage_and_the_rest_of_the_run_behind_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = InParts(monkeypatch, "a", "b", lane=Lane.BULK)
    assert here.work() == "IGNORED"
    first, second = here.broker.all_waiting()
    assert here.ids == ["count:1:1", "count:2:1"]
    assert (first.queue, first.priority, first.args, first.kwargs["part"]) == ("count", 6, [None], 1)
    links = [(link["options"]["task_id"], link["kwargs"]["part"]) for link in reversed(second.embed["chain"])]
    assert links == [(f"{here.job.id}:1:count:0:2", 0), (f"{here.job.id}:1:store:0:1", 0)]


def test_the_chain_goes_on_from_the_part_that_is_done_last(monkeypatch: pytest.MonkeyPatch) -> None:
    here = InParts(monkeypatch, "a", "b")
    here.work()
    assert here.work() == "IGNORED"
    assert here.ids == ["count:2:1"]
    assert isinstance(here.work(), dict)
    assert here.ids == ["count:0:2"]
    here.work()
    assert here.ids == ["store:0:1"]
    here.work("store")
    assert here.bench.read(here.job).state is JobState.SUCCEEDED


def test_a_part_that_is_done_sends_the_next_one_off(monkeypatch: pytest.MonkeyPatch) -> None:
    here = InParts(monkeypatch, *"abcdef")
    here.work()
    assert len(here.ids) == PARTS_AT_ONCE
    here.work()
    assert here.ids == [f"count:{part}:1" for part in range(2, PARTS_AT_ONCE + 2)]


def test_a_part_that_is_tried_again_keeps_what_comes_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    here = InParts(monkeypatch, "a", "b")
    here.work()
    here.errors.append(Postponed("llm_rate_limited", delay_s=10))
    assert here.work() == "RETRY"
    here.work()
    here.bench.clock.advance(60)
    here.work()
    assert here.ids == ["count:0:2"]


def test_a_last_part_whose_worker_died_before_the_chain_went_on_hands_on_when_it_is_redelivered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = InParts(monkeypatch, "a", "b")
    here.work()
    here.work()
    message = here.broker.take("count")
    here.broker.deliver(message)
    here.broker.take("count")  # It never was published.
    here.broker.deliver(replace(message, headers={**message.headers, DELIVERY_COUNT: 1}))
    assert here.ids == ["count:0:2"]


def test_parts_that_the_broker_does_not_take_are_left_to_the_keeper(monkeypatch: pytest.MonkeyPatch) -> None:
    here = InParts(monkeypatch, "a", "b")
    message = here.broker.take("count")
    here.broker.is_down = True
    assert here.broker.deliver(message) == "IGNORED"
    found = here.bench.records.unstarted(older_than_s=1000, limit=10)
    assert [suspect.key.part for suspect in found] == [1, 2]
