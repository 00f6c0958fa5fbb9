from datetime import timedelta

import pytest

from pipeline import events
from pipeline.errors import RecordsUnavailable
from pipeline.events import EventKind
from pipeline.ids import Delivery
from pipeline.outcome import Done
from stages.contract import Article, Permanent, Postponed, RetryPolicy, Source, Tools, Transient
from tests.support.bench import Bench
from tests.support.catalogs import ARTICLE, scripted
from tests.support.jobs import MESSAGE

WHOLE = ["job.queued", *["stage.started", "stage.succeeded"] * 2, "job.succeeded"]


class Told:
    """One job of two stages; the first fails with each of these errors in turn."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.bench = Bench(scripted(self.script, retry=RetryPolicy(max_attempts=2, base_s=9)))
        self.job = self.bench.accept()

    def script(self, _source: Source, _tools: Tools) -> Article:
        if self.errors:
            raise self.errors.pop(0)
        return ARTICLE

    @property
    def names(self) -> list[str]:
        return [str(event.kind) for event in self.bench.announcer.told]


def test_a_job_is_told_from_its_beginning_to_its_end() -> None:
    told = Told()
    told.bench.attempt(told.job, "read")
    told.bench.attempt(told.job, "store")
    assert told.names == WHOLE
    first, *_ = told.bench.announcer.told
    assert first == events.queued(told.job)
    assert events.over(told.bench.read(told.job)).once == told.bench.announcer.told[-1].once


def test_that_it_was_queued_is_not_told_again_long_after() -> None:
    told = Told()
    told.bench.clock.advance(timedelta(minutes=2).total_seconds())
    told.bench.attempt(told.job, "read")
    assert told.names == ["stage.started", "stage.succeeded"]


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (Transient("dns_failure"), "stage.waiting"),
        (Postponed("http_rate_limited", delay_s=40), "stage.waiting"),
        (Permanent("http_not_found"), "job.failed"),
        (ZeroDivisionError(), "job.failed"),
    ],
)
def test_what_went_wrong_is_told(error: Exception, name: str) -> None:
    told = Told(error)
    told.bench.attempt(told.job, "read")
    said = told.bench.announcer.told[-1]
    assert (said.kind, said.stage) == (name, "read")
    assert said.code == getattr(error, "code", "internal_error")
    assert (said.delay_s is not None) == (name == "stage.waiting")
    assert "Traceback" not in said.as_json()


def test_the_outcome_of_one_that_was_replaced_is_not_told() -> None:
    told = Told()
    told.bench.claim(told.job, "read")
    told.bench.attempt(told.job, "read")
    assert told.names == []


def test_nothing_is_told_that_was_not_recorded() -> None:
    told = Told()
    told.bench.records.broken["claim"] = RecordsUnavailable("away")
    with pytest.raises(RecordsUnavailable):
        told.bench.attempt(told.job, "read")
    assert told.names == []


def test_what_a_worker_died_before_telling_is_told_by_the_next_that_has_the_message() -> None:
    told = Told()
    for stage in ("read", "store"):
        told.bench.attempt(told.job, stage)
    told.bench.announcer.told.clear()
    again = told.bench.attempt(told.job, "store", delivery=Delivery(MESSAGE, worker_died=True))
    assert isinstance(again, Done)
    assert told.names == ["stage.succeeded", "job.succeeded"]
    told.bench.attempt(told.job, "store", delivery=Delivery(MESSAGE, worker_died=True))
    assert told.names == ["stage.succeeded", "job.succeeded"]


def test_the_last_events_are_those_after_which_there_is_nothing() -> None:
    assert {kind for kind in EventKind if kind.is_last} == {"job.succeeded", "job.failed", "job.cancelled"}
