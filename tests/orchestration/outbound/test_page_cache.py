"""Copies of pages above the guarded client: who is asked, who waits, and what becomes of the copies."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from threading import Event
from typing import Any

import pytest

from orchestration.outbound.page_cache import FREE_S, LEASE_S, StoredPages
from pipeline.cached_pages import PageWish
from pipeline.errors import PayloadsUnavailable, RecordsUnavailable
from pipeline.memory import MemoryPayloads, MemoryRecords
from stages.contract import Awaited, Cancelled, Fetched, Pages, Permanent, Scope, Transient, Validators
from tests.support.at_once import at_once
from tests.support.tools import START, ManualClock
from tests.support.waiting import until

URL = "https://example.org/page"
ETAG = {"etag": '"1"', "content-type": "text/html"}
SECOND = {"max_age_s": 1.0}
BATCH = {"since": START}


@dataclass
class Host:
    """The guarded client: what it answers, and what it was asked."""

    answers: list[Fetched | Exception] = field(default_factory=list)
    asked: list[Validators | None] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None

    def get(self, _url: str, _scope: Scope, validators: Validators | None = None) -> Fetched:
        self.asked.append(validators)
        self.meanwhile()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def answer(body: bytes = b"a page", status: int = 200, url: str = URL, **headers: str) -> Fetched:
    return Fetched(url, status, {name.replace("_", "-"): value for name, value in headers.items()}, body, 3)


class Bench:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.records = MemoryRecords(self.clock)
        self.payloads = MemoryPayloads()
        self.host = Host([answer(**ETAG)])
        self.index: Any = self.records
        self.random = Random(3)

    def pages(self, tenant_id: str = "default", **wish: Any) -> Pages:
        stored = StoredPages(self.host, self.index, self.payloads, self.clock, self.random, variant="a")
        return stored.pages(PageWish(tenant_id, **wish))

    def get(self, url: str = URL, **wish: Any) -> Fetched:
        return self.pages(**wish).get(url, Scope(self.clock, self.clock.monotonic() + 60))

    def uses(self, number: int, **wish: Any) -> list[str]:
        return [self.get(**wish).cache for _ in range(number)]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_page_is_fetched_and_then_taken_from_its_copy(bench: Bench) -> None:
    bench.host.answers = [answer(b"words", cache_control="max-age=60", content_type="text/plain")]
    first = bench.get()
    bench.clock.advance(10)
    second = bench.get()
    assert (first.cache, second.cache, len(bench.host.asked)) == ("miss", "hit", 1)
    assert (second.body, second.headers["content-type"], second.wire_bytes) == (b"words", "text/plain", 3)
    assert second.received_at == START
    bench.clock.advance(50)
    assert bench.get().cache == "miss"


def test_an_age_that_a_job_names_counts_where_the_host_says_nothing(bench: Bench) -> None:
    bench.host.answers = [answer()]
    assert bench.uses(2, max_age_s=60) == ["miss", "hit"]
    bench.clock.advance(61)
    assert bench.uses(2, max_age_s=60) == ["miss", "hit"]
    assert bench.uses(2) == ["miss", "miss"]
    assert bench.uses(2, max_age_s=0) == ["miss", "miss"]


def test_a_copy_is_confirmed_without_being_sent_again(bench: Bench) -> None:
    bench.host.answers = [answer(b"words", **ETAG), answer(b"", 304, etag='"1"')]
    assert bench.get(max_age_s=0).cache == "miss"
    bench.clock.advance(5)
    known = bench.get(max_age_s=0)
    assert (known.cache, known.body, known.status) == ("revalidated", b"words", 200)
    assert (known.received_at, bench.host.asked[1]) == (bench.clock.now(), Validators(URL, {"If-None-Match": '"1"'}))
    assert bench.get(**SECOND).cache == "hit"


def test_a_page_that_changed_takes_the_place_of_its_copy(bench: Bench) -> None:
    bench.host.answers = [answer(b"old", **ETAG), answer(b"new", etag='"2"')]
    bench.uses(2, max_age_s=0)
    assert (bench.get(**SECOND).body, list(bench.payloads.objects.values())) == (b"new", [b"new"])


def test_a_304_that_fits_no_copy_has_the_page_fetched(bench: Bench) -> None:
    bench.host.answers = [answer(b"old", **ETAG), answer(b"", 304, etag='"9"'), answer(b"new", etag='"9"')]
    bench.get()
    changed = bench.get()
    assert (changed.cache, changed.body, bench.host.asked[2]) == ("miss", b"new", None)


def test_tenants_have_copies_of_their_own(bench: Bench) -> None:
    assert [bench.get(tenant_id=each, max_age_s=60).cache for each in ("one", "two", "one")] == ["miss", "miss", "hit"]
    assert {key.split("/")[0] for key in bench.payloads.objects} == {"one", "two"}


@pytest.mark.parametrize("status", [404, 410, 403])
def test_a_page_that_is_gone_is_not_kept_and_its_copy_goes(bench: Bench, status: int) -> None:
    bench.host.answers = [answer(), answer(b"", status)]
    assert [bench.get(max_age_s=0).status for _ in range(2)] == [200, status]
    assert bench.get(max_age_s=60).status == status
    assert bench.payloads.objects == {}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_host_in_trouble_leaves_the_copy(bench: Bench, status: int) -> None:
    bench.host.answers = [answer(), answer(b"", status)]
    assert [bench.get(max_age_s=0).status for _ in range(2)] == [200, status]
    assert bench.get(max_age_s=60).cache == "hit"


def test_what_may_not_be_stored_is_not(bench: Bench) -> None:
    bench.host.answers = [answer(cache_control="no-store")]
    assert bench.uses(3, max_age_s=60) == ["miss"] * 3
    assert bench.payloads.objects == {}


@pytest.mark.parametrize("damage", ["missing", "corrupt"])
def test_a_copy_without_its_body_is_fetched_again(bench: Bench, damage: str) -> None:
    bench.get()
    bench.payloads.objects = {} if damage == "missing" else dict.fromkeys(bench.payloads.objects, b"?")
    assert bench.uses(2, max_age_s=60) == ["miss", "hit"]
    assert bench.host.asked == [None, None]


def test_a_url_that_cannot_be_read_is_the_clients_to_refuse(bench: Bench) -> None:
    bench.host.answers = [Permanent("invalid_url")]
    with pytest.raises(Permanent, match="invalid_url"):
        bench.get("http://[")
    assert not bench.pages().spares_host("http://[")


# one for all


def test_while_one_fetches_the_others_are_told_to_come_back(bench: Bench) -> None:
    told: list[Awaited] = []

    def meanwhile() -> None:
        for wish in (BATCH, {"max_age_s": 60}):
            assert bench.pages(**wish).spares_host(URL)
            with pytest.raises(Awaited) as caught:
                bench.get(**wish)
            told.append(caught.value)

    bench.host.meanwhile = meanwhile
    assert bench.get(**BATCH).cache == "miss"
    bench.host.meanwhile = lambda: None
    assert [error.code for error in told] == ["page_awaited"] * 2
    assert all(0.1 < error.delay_s < 0.4 for error in told)
    assert bench.pages(**BATCH).spares_host(URL)
    assert bench.uses(3, **BATCH) == ["hit"] * 3
    assert len(bench.host.asked) == 1


def test_the_longer_it_takes_the_longer_the_others_wait(bench: Bench) -> None:
    told: list[float] = []

    def meanwhile() -> None:
        for _ in range(6):
            bench.clock.advance(LEASE_S / 2)
            bench.records.lead_flight(next(iter(bench.records._flights)), holder(), lease_s=LEASE_S)
            with pytest.raises(Awaited) as caught:
                bench.get(**BATCH)
            told.append(caught.value.delay_s)

    def holder() -> str:
        return next(iter(bench.records._flights.values())).holder or ""

    bench.host.meanwhile = meanwhile
    bench.get(**BATCH)
    assert told[0] < 4 < max(told) < 6.3


def test_one_who_would_not_take_it_anyway_does_not_wait(bench: Bench) -> None:
    others: list[str] = []

    def meanwhile() -> None:
        bench.host.meanwhile = lambda: None
        others.extend(bench.get(**wish).cache for wish in ({}, {"max_age_s": 0}, {"max_age_s": 0, **BATCH}))

    bench.host.meanwhile = meanwhile
    bench.get(**BATCH)
    assert others == ["miss"] * 3


def test_after_a_failure_nobody_waits_for_another(bench: Bench) -> None:
    bench.host.answers = [Transient("connect_failed"), answer(b"", 404)]
    with pytest.raises(Transient):
        bench.get(**BATCH)
    bench.host.meanwhile = lambda: bench.host.asked[-1] is None and len(bench.host.asked) < 3 and bench.get(**BATCH)
    assert bench.get(**BATCH).status == 404
    assert len(bench.host.asked) == 3
    bench.clock.advance(FREE_S + 1)
    assert not bench.pages(**BATCH).spares_host(URL)


def test_what_is_not_to_be_kept_is_waited_for_once(bench: Bench) -> None:
    bench.host.answers = [answer(cache_control="no-store")]
    assert bench.uses(2, **BATCH) == ["miss", "miss"]
    inner: list[str] = []

    def meanwhile() -> None:
        bench.host.meanwhile = lambda: None
        inner.append(bench.get(**BATCH).cache)

    bench.host.meanwhile = meanwhile
    bench.get(**BATCH)
    assert inner == ["miss"]


def test_one_who_was_cancelled_leaves_the_lead_to_the_next(bench: Bench) -> None:
    bench.host.answers = [Cancelled(), answer()]
    with pytest.raises(Cancelled):
        bench.get(**BATCH)

    def meanwhile() -> None:
        with pytest.raises(Awaited):
            bench.get(**BATCH)

    bench.host.meanwhile = meanwhile
    assert bench.get(**BATCH).cache == "miss"


def test_one_who_died_keeps_nobody_waiting_for_long(bench: Bench) -> None:
    bench.get()
    key = next(iter(bench.records._pages))
    bench.clock.advance(1)
    bench.records.lead_flight(key, "dead", lease_s=LEASE_S)
    late = {"since": bench.clock.now()}
    with pytest.raises(Awaited):
        bench.get(**late)
    bench.clock.advance(LEASE_S + 1)
    assert bench.uses(2, **late) == ["miss", "hit"]


def test_of_many_at_once_one_asks_the_host(bench: Bench) -> None:
    everybody_else = Event()
    bench.host.meanwhile = lambda: everybody_else.wait(20)
    refused: list[Exception] = []

    def ask() -> str:
        try:
            return bench.get(**BATCH).cache
        except Awaited as error:
            refused.append(error)
            if len(refused) == 7:
                everybody_else.set()
            raise

    ended = at_once(*[ask] * 8)
    assert sorted(str(each) for each in ended)[0] == "miss"
    assert (len(refused), len(bench.host.asked)) == (7, 1)


def test_a_long_fetch_keeps_its_lead() -> None:
    """Here time passes."""
    from pipeline.clock import SystemClock

    bench = Bench()
    bench.clock = SystemClock()  # type: ignore[assignment]
    bench.records = MemoryRecords(bench.clock)
    stored = StoredPages(bench.host, bench.records, bench.payloads, bench.clock, Random(3), variant="a", lease_s=0.3)
    pages = stored.pages(PageWish("default", 60))
    renewed: set[float] = set()

    def meanwhile() -> None:
        def has_renewed() -> bool | None:
            renewed.update(each.until_s for each in bench.records._flights.values())
            return len(renewed) > 3 or None

        until(has_renewed, within_s=20, what="the lease is renewed")
        with pytest.raises(Awaited):
            pages.get(URL, Scope(bench.clock, bench.clock.monotonic() + 60))

    bench.host.meanwhile = meanwhile
    assert pages.get(URL, Scope(bench.clock, bench.clock.monotonic() + 60)).cache == "miss"
    assert bench.records._flights == {}


# while something is down


class Away:
    """An index that does not answer."""

    def __getattr__(self, _name: str) -> Any:
        def refuse(*_: Any, **__: Any) -> None:
            raise RecordsUnavailable("it is away")

        return refuse


def test_without_the_index_pages_are_fetched(bench: Bench) -> None:
    bench.index = Away()
    assert bench.uses(2, **BATCH) == ["miss", "miss"]
    assert not bench.pages(**BATCH).spares_host(URL)


def test_without_the_payload_store_pages_are_fetched(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PayloadsUnavailable("it is full")

    bench.get()
    monkeypatch.setattr(bench.payloads, "put", refuse)
    monkeypatch.setattr(bench.payloads, "get", refuse)
    assert bench.uses(2, max_age_s=60) == ["miss", "miss"]
