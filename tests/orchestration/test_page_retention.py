from typing import Any

import pytest

from orchestration.page_retention import BETWEEN_WEIGHINGS_S, PAGES_PER_TURN, PageRetirement
from pipeline.cached_pages import PageKey, StoredPage
from pipeline.errors import PayloadsUnavailable
from pipeline.memory import MemoryPayloads, MemoryRecords
from tests.contracts.test_records_cached_pages import new_page
from tests.support.tools import ManualClock

KEPT_S = 1000.0
MAX_BYTES = 100


class Shelf:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.records = MemoryRecords(self.clock)
        self.payloads = MemoryPayloads()
        self.retirement = PageRetirement(self.records, self.payloads, self.clock, kept_s=KEPT_S, max_bytes=MAX_BYTES)

    def put(self, number: int, size: int = 10, **changes: Any) -> StoredPage:
        page = new_page(received_at=self.clock.now(), **changes)
        body = self.payloads.put(f"default/{page.id}/cache/page", b"x" * size, "text/html")
        page = new_page(received_at=self.clock.now(), id=page.id, body=body)
        self.records.keep_page(PageKey("default", f"{number:064}"), page)
        return page

    @property
    def kept(self) -> set[str]:
        """Ids of copies; each has a row and an object."""
        ids = {key.split("/")[1] for key in self.payloads.objects}
        assert self.records.known_pages(ids) == ids
        return ids


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_a_copy_goes_with_its_object_when_its_time_is_over(shelf: Shelf) -> None:
    first = shelf.put(1)
    shelf.clock.advance(KEPT_S)
    second = shelf.put(2)
    assert (shelf.retirement.turn(), shelf.kept) == (0, {first.id, second.id})
    shelf.clock.advance(1)
    assert (shelf.retirement.turn(), shelf.kept) == (1, {second.id})


def test_a_tenant_keeps_no_more_than_it_may(shelf: Shelf) -> None:
    pages = []
    for number in range(5):
        pages.append(shelf.put(number, size=30))
        shelf.clock.advance(1)
    assert shelf.retirement.turn() == 2
    assert shelf.kept == {page.id for page in pages[2:]}


def test_all_copies_are_added_up_once_a_minute(shelf: Shelf) -> None:
    shelf.retirement.turn()
    shelf.put(1, size=MAX_BYTES + 1)
    assert shelf.retirement.turn() == 0
    shelf.clock.advance(BETWEEN_WEIGHINGS_S)
    assert shelf.retirement.turn() == 1


def test_many_that_are_too_many_take_several_turns(shelf: Shelf) -> None:
    for number in range(PAGES_PER_TURN + 30):
        shelf.put(number, size=MAX_BYTES)
    assert [shelf.retirement.turn() for _ in range(3)] == [PAGES_PER_TURN, 29, 0]
    assert len(shelf.kept) == 1


def test_what_is_left_of_fetches_goes_too(shelf: Shelf) -> None:
    shelf.records.lead_flight(PageKey("default", "a"), "dead", lease_s=5)
    shelf.clock.advance(6)
    assert shelf.retirement.turn() == 1


def test_an_object_that_cannot_be_deleted_now_is_left_as_an_orphan(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PayloadsUnavailable("it is away")

    page = shelf.put(1)
    shelf.clock.advance(KEPT_S + 1)
    monkeypatch.setattr(shelf.payloads, "delete_job", refuse)
    assert shelf.retirement.turn() == 1
    assert shelf.records.known_pages([page.id]) == set()
    assert list(shelf.payloads.jobs(older_than_s=-1)) == [("default", page.id)]
