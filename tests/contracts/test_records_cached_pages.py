"""Records: the index of stored pages, and who fetches one while others wait."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

import pytest

from pipeline.cached_pages import Flight, FlightState, PageKey, StoredPage
from pipeline.ids import Claim, uuid7
from tests.support.at_once import at_once
from tests.support.jobs import World
from tests.support.tools import START

KEY = PageKey("default", "a" * 64)
OTHER = PageKey("default", "b" * 64)
THEIRS = PageKey("theirs", "a" * 64)
FREE = Flight(FlightState.FREE)
LEADS = Flight(FlightState.LEADS)
_random = Random(11)


def new_page(age_s: float = 0.0, size: int = 10, **changes: Any) -> StoredPage:
    received_at = START - timedelta(seconds=age_s)
    page_id = str(uuid7(received_at, _random))
    page = StoredPage(
        id=page_id,
        url="https://example.org/final",
        status=200,
        headers={"content-type": "text/html", "etag": '"ä"'},
        redirects=("https://example.org/",),
        is_moved_for_good=True,
        wire_bytes=5,
        body=Claim(f"default/{page_id}/cache/page-0", "0" * 64, size, "text/html"),
        received_at=received_at,
    )
    return replace(page, **changes)


@pytest.fixture
def index(world: World) -> Any:
    return world.records


def test_what_is_kept_is_found_by_its_tenant_only(index: Any) -> None:
    page = new_page()
    assert index.keep_page(KEY, page) is None
    assert index.page(KEY) == page
    assert index.page(OTHER) is None
    assert index.page(THEIRS) is None


def test_a_new_copy_replaces_the_one_before_and_names_it(index: Any) -> None:
    before, after, theirs = new_page(5), new_page(), new_page()
    index.keep_page(KEY, before)
    index.keep_page(THEIRS, theirs)
    assert index.keep_page(KEY, after) == before.id
    assert (index.page(KEY), index.page(THEIRS)) == (after, theirs)
    assert index.known_pages([before.id, after.id, theirs.id, "no id"]) == {after.id, theirs.id}
    assert index.known_pages([]) == set()


def test_a_copy_is_dropped_once(index: Any) -> None:
    page, theirs = new_page(), new_page()
    index.keep_page(KEY, page)
    index.keep_page(THEIRS, theirs)
    assert (index.drop_page(KEY), index.drop_page(KEY)) == (page.id, None)
    assert (index.page(KEY), index.page(THEIRS)) == (None, theirs)


def test_a_copy_is_confirmed_unless_another_took_its_place(index: Any) -> None:
    page = new_page(100)
    known = replace(page, headers={"etag": "2"}, received_at=START, redirects=())
    index.confirm_page(KEY, known)
    assert index.page(KEY) is None
    index.keep_page(KEY, page)
    index.confirm_page(KEY, known)
    assert index.page(KEY) == known
    another = new_page(1)
    index.keep_page(KEY, another)
    index.confirm_page(KEY, known)
    assert index.page(KEY) == another


def test_one_leads_and_the_others_learn_for_how_long(world: World, index: Any) -> None:
    assert index.flight(KEY) == FREE
    assert index.lead_flight(KEY, "one", lease_s=30) == LEADS
    world.pass_time(10)
    for flight in (index.flight(KEY), index.lead_flight(KEY, "two", lease_s=30)):
        assert flight.state is FlightState.AWAITED
        assert flight.lasts_s == pytest.approx(10, abs=5)
    assert index.lead_flight(OTHER, "two", lease_s=30) == index.lead_flight(THEIRS, "two", lease_s=30) == LEADS


def test_one_who_goes_on_keeps_the_lead(world: World, index: Any) -> None:
    index.lead_flight(KEY, "one", lease_s=30)
    world.pass_time(20)
    assert index.lead_flight(KEY, "one", lease_s=30) == LEADS
    world.pass_time(20)
    awaited = index.lead_flight(KEY, "two", lease_s=30)
    assert awaited.state is FlightState.AWAITED
    assert awaited.lasts_s == pytest.approx(40, abs=5)


def test_one_who_died_is_replaced_and_can_end_nothing(world: World, index: Any) -> None:
    index.lead_flight(KEY, "one", lease_s=30)
    world.pass_time(31)
    assert index.flight(KEY) == FREE
    assert index.lead_flight(KEY, "two", lease_s=30) == LEADS
    index.end_flight(KEY, "one", free_s=60)
    index.end_flight(KEY, "one")
    assert index.flight(KEY).state is FlightState.AWAITED
    assert index.flight(KEY).lasts_s == pytest.approx(0, abs=5)


def test_after_the_end_the_next_one_leads(index: Any) -> None:
    index.lead_flight(KEY, "one", lease_s=30)
    index.end_flight(KEY, "one")
    assert index.flight(KEY) == FREE
    assert index.lead_flight(KEY, "two", lease_s=30) == LEADS


def test_nobody_has_to_wait_for_a_while(world: World, index: Any) -> None:
    index.lead_flight(KEY, "one", lease_s=30)
    index.end_flight(KEY, "one", free_s=60)
    assert index.flight(KEY) == index.lead_flight(KEY, "two", lease_s=30) == FREE
    index.end_flight(KEY, "two")
    assert index.lead_flight(KEY, "three", lease_s=30) == FREE
    world.pass_time(61)
    assert index.lead_flight(KEY, "two", lease_s=30) == LEADS


def test_what_is_left_of_fetches_is_erased(world: World, index: Any) -> None:
    index.lead_flight(KEY, "one", lease_s=30)
    index.lead_flight(OTHER, "one", lease_s=90)
    assert index.forget_flights() == 0
    world.pass_time(31)
    assert index.forget_flights() == 1
    assert index.flight(OTHER).state is FlightState.AWAITED


def test_of_many_at_once_one_leads(index: Any) -> None:
    flights = at_once(*(partial(index.lead_flight, KEY, name, lease_s=30) for name in "abcdef"))
    assert sorted(flight.state for flight in flights) == [FlightState.AWAITED] * 5 + [FlightState.LEADS]


def test_old_copies_are_forgotten_the_oldest_first(index: Any) -> None:
    keys = [PageKey("default", str(age) * 64) for age in range(5)]
    pages = [new_page(age_s=age) for age in range(5)]
    for key, page in zip(keys, pages, strict=True):
        index.keep_page(key, page)
    before = START - timedelta(seconds=1)
    assert index.forget_pages(before=before, limit=1) == [("default", pages[4].id)]
    assert set(index.forget_pages(before=before, limit=9)) == {("default", pages[3].id), ("default", pages[2].id)}
    assert index.forget_pages(before=before, limit=9) == []
    assert [index.page(key) for key in keys] == [*pages[:2], None, None, None]


def test_each_tenant_has_room_for_its_newest_copies(index: Any) -> None:
    mine = [new_page(age_s=age, size=40) for age in range(4)]
    theirs = new_page(age_s=100, size=100)
    index.keep_page(THEIRS, theirs)
    for number, page in enumerate(mine):
        index.keep_page(PageKey("default", str(number) * 64), page)
    assert index.crowd_out_pages(max_bytes=100, limit=1) == [("default", mine[3].id)]
    assert index.crowd_out_pages(max_bytes=100, limit=9) == [("default", mine[2].id)]
    assert index.crowd_out_pages(max_bytes=100, limit=9) == []
    assert index.page(THEIRS) == theirs
    assert len(index.crowd_out_pages(max_bytes=0, limit=9)) == 3
