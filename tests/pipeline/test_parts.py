"""A stage that is done in parts: what its attempts do. The records' side is in the contract."""

from collections import Counter

import pytest

from pipeline.ids import Delivery, StageKey
from pipeline.job import (
    MAX_LEVELS,
    MAX_PARTS,
    PARTS_AT_ONCE,
    JobSource,
    JobState,
    NewJob,
    PartCount,
    StageState,
)
from pipeline.outcome import Again, Cancelled, Dead, Divided, Done, Outcome, Returned, Superseded
from pipeline.runs import NewRun
from stages.contract import Permanent, Postponed, RetryPolicy, Tools, Transient
from tests.support.bench import Bench
from tests.support.catalogs import in_parts
from tests.support.tools import START


class Shop:
    """One job whose first stage works on these lines; what it has worked on is counted."""

    def __init__(self, *lines: str, most: int = 3, guard: bool = False) -> None:
        self.errors: dict[str, Exception] = {}
        self.worked: Counter[str] = Counter()
        declaration = {"guard": lambda _payload, _tools: "model"} if guard else {}
        retry = RetryPolicy(max_attempts=2, base_s=9)
        self.bench = Bench(in_parts(self.work, most=most, retry=retry, **declaration))
        body = self.bench.payloads.inner.put("default/body", "\n".join(lines).encode(), "text/plain")
        self.job: NewJob = self.bench.accept(source=JobSource(body=body))
        self.run = 1

    def work(self, text: str, _tools: Tools) -> str:
        if text in self.errors:
            raise self.errors.pop(text)
        self.worked[text] += 1
        return text.upper()

    def attempt(self, part: int = 0, stage: str = "count", **about: object) -> Outcome:
        return self.bench.attempt_key(StageKey(self.job.id, self.run, stage, part), **about)

    def parts(self, *numbers: int) -> list[Outcome]:
        return [self.attempt(number) for number in numbers]

    def finish(self) -> str:
        """The text of the stage, and the job is done."""
        self.attempt(stage="store")
        assert self.bench.read(self.job).state is JobState.SUCCEEDED
        claim = self.stage.claim
        assert claim is not None
        text: str = self.bench.payloads.inner.get(claim).decode()
        return text

    @property
    def stage(self):
        return self.bench.stage(self.job, "count")


def ready(outcome: Outcome) -> list[int]:
    assert isinstance(outcome, Divided)
    return [piece.key.part for piece in outcome.division.ready]


def test_what_is_small_is_done_whole() -> None:
    shop = Shop("one")
    assert isinstance(shop.attempt(), Done)
    assert '"ONE"' in shop.finish()


def test_parts_are_mapped_and_their_results_reduced_in_order() -> None:
    shop = Shop("a", "b", "c")
    assert ready(shop.attempt()) == [1, 2, 3]
    _, _, last = shop.parts(3, 1, 2)
    assert isinstance(last, Divided)
    assert last.hands_on is not None
    assert isinstance(shop.attempt(), Done)
    assert '"A+B+C"' in shop.finish()
    assert shop.worked == Counter(["a", "b", "c", "A+B+C"])


def test_only_a_few_parts_are_under_way_at_once() -> None:
    shop = Shop(*"abcdefgh", most=10)
    under_way = ready(shop.attempt())
    assert len(under_way) == PARTS_AT_ONCE
    done = 0
    while under_way:
        outcome = shop.attempt(under_way.pop(0))
        done += 1
        under_way += ready(outcome)
        assert len(under_way) <= PARTS_AT_ONCE
    assert done == 8
    shop.attempt()
    assert '"A+B+C+D+E+F+G+H"' in shop.finish()


def test_results_that_are_too_many_are_parts_again() -> None:
    shop = Shop(*"abcdefg", most=3)
    shop.attempt()
    shop.parts(1, 2, 3, 4, 5, 6, 7)
    assert ready(shop.attempt()) == [8, 9, 10]
    shop.parts(8, 9, 10)
    shop.attempt()
    assert '"A B C+D E F+G"' in shop.finish()


def test_a_stage_that_would_be_split_for_ever_fails() -> None:
    shop = Shop("a", "b", most=1)
    levels = 0
    while isinstance(outcome := shop.attempt(), Divided):
        levels += 1
        shop.parts(*(part for part in ready(outcome) if part))
    assert isinstance(outcome, Dead)
    assert (outcome.error.code, levels) == ("too_many_parts", MAX_LEVELS)


@pytest.mark.parametrize(("lines", "fits"), [(MAX_PARTS, True), (MAX_PARTS + 1, False)])
def test_there_is_a_limit_to_parts(lines: int, fits: bool) -> None:
    outcome = Shop(*(str(line) for line in range(lines))).attempt()
    assert isinstance(outcome, Divided) == fits
    assert isinstance(outcome, Dead) != fits


def test_a_part_is_retried_alone_with_the_policy_of_its_stage() -> None:
    shop = Shop("a", "b")
    shop.attempt()
    shop.errors["b"] = Transient("llm_bad_answer")
    assert isinstance(shop.attempt(2), Again)
    shop.bench.clock.advance(60)
    shop.parts(1, 2)
    shop.attempt()
    assert shop.worked == Counter(["a", "b", "A+B"])
    shop.finish()


def test_a_part_that_fails_for_good_fails_the_job_and_the_others_are_not_begun() -> None:
    shop = Shop("a", "b")
    shop.attempt()
    shop.errors["a"] = Permanent("llm_refused")
    assert isinstance(shop.attempt(1), Dead)
    assert isinstance(shop.attempt(2), Cancelled)
    read = shop.bench.read(shop.job)
    assert read.error is not None
    assert (read.state, read.error.code, read.error.stage) == (JobState.FAILED, "llm_refused", "count")


def test_a_retry_does_only_what_was_not_done() -> None:
    shop = Shop("a", "b", "c")
    shop.attempt()
    shop.errors["b"] = Permanent("llm_refused")
    shop.parts(1, 3, 2)
    deadline_at = shop.job.deadline_at
    shop.bench.records.inner.open_run(shop.job.tenant_id, shop.job.id, NewRun(None, None, deadline_at, START))
    shop.run = 2
    assert ready(shop.attempt()) == [2]
    shop.attempt(2)
    shop.attempt()
    assert '"A+B+C"' in shop.finish()
    assert shop.worked == Counter(["a", "b", "c", "A+B+C"])


def test_an_open_breaker_stops_parts_but_not_the_splitting() -> None:
    shop = Shop("a", "b", guard=True)
    shop.bench.breakers.guard = lambda _name: _refusing()  # type: ignore[method-assign]
    assert ready(shop.attempt()) == [1, 2]
    assert isinstance(shop.attempt(1), Again)
    assert shop.worked == Counter()


def _refusing():
    raise Postponed("llm_unavailable", delay_s=5)


@pytest.mark.parametrize("gone", [True, False])
def test_a_lost_part_is_split_off_again(gone: bool) -> None:
    shop = Shop("a", "b", "c")
    shop.attempt()
    shop.attempt(1)
    damage(shop, '"b"', gone=gone)
    assert isinstance(shop.attempt(2), Returned)
    assert ready(shop.attempt()) == [5, 6]
    shop.parts(5, 6)
    shop.attempt()
    assert '"A+B+C"' in shop.finish()
    assert shop.worked == Counter(["a", "b", "c", "A+B+C"])


@pytest.mark.parametrize("gone", [True, False])
def test_a_lost_result_is_made_again(gone: bool) -> None:
    shop = Shop("a", "b")
    shop.attempt()
    shop.parts(1, 2)
    damage(shop, '"B"', gone=gone)
    assert isinstance(shop.attempt(), Returned)
    assert shop.stage.state is StageState.SPLIT
    shop.attempt(2)
    shop.attempt()
    assert '"A+B"' in shop.finish()
    assert shop.worked == Counter(["a", "b", "b", "A+B"])


def damage(shop: Shop, text: str, *, gone: bool) -> None:
    (key,) = [key for key, data in shop.bench.objects.items() if f'"text":{text}'.encode() in data]
    if gone:
        del shop.bench.objects[key]
    else:
        shop.bench.objects[key] = b"damaged"


def test_each_step_is_announced_with_a_count() -> None:
    shop = Shop("a", "b")
    shop.attempt()
    shop.errors["a"] = Transient("llm_bad_answer")
    shop.attempt(1)
    shop.bench.clock.advance(60)
    shop.parts(1, 2)
    shop.attempt()
    told = [
        (str(event.kind), event.attempt, event.parts_done, event.parts_total) for event in shop.bench.announcer.told
    ]
    assert told[1:] == [
        ("stage.started", 1, None, None),
        ("stage.progress", None, 0, 2),
        ("stage.waiting", None, None, None),
        ("stage.progress", None, 1, 2),
        ("stage.progress", None, 2, 2),
        ("stage.started", 2, None, None),
        ("stage.succeeded", None, None, None),
    ]


def test_a_message_that_comes_while_the_parts_are_under_way_does_nothing() -> None:
    shop = Shop("a", "b")
    shop.attempt()
    assert shop.attempt() == Superseded()
    assert shop.stage.parts == PartCount(0, 2)


@pytest.mark.parametrize("part", [0, 1])
def test_what_a_worker_died_before_publishing_is_left_to_the_keeper(part: int) -> None:
    shop = Shop(*"abcdef", most=9)
    shop.attempt()
    if part:
        shop.parts(1)
    shop.attempt(part, delivery=Delivery("publisher.1", worker_died=True))
    found = shop.bench.records.inner.unstarted(older_than_s=1000, limit=9)
    assert [suspect.key.part for suspect in found] == [number for number in (1, 2, 3, 4, 5) if number > part][:4]


def test_a_part_that_is_done_hands_on_what_is_recorded() -> None:
    shop = Shop("a", "b")
    shop.attempt()
    (done,) = shop.parts(1)
    assert isinstance(done, Divided)
    assert shop.attempt(1) == Done(done.claim)


def test_a_worker_that_was_taken_for_dead_cannot_bring_a_part() -> None:
    shop = Shop("a", "b")
    shop.attempt()
    key = StageKey(shop.job.id, 1, "count", 1)
    records = shop.bench.records.inner
    records.claim(key, owner="zombie", message_id="m", lease_s=30.0, at=START)
    shop.bench.clock.advance(31)
    (suspect,) = records.lapsed(limit=9)
    assert records.reclaim(suspect, at=START)
    assert isinstance(shop.attempt(1), Divided)
    assert shop.stage.parts == PartCount(1, 2)
