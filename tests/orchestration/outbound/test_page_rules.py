"""HTTP caching: what may be kept, how long it is fresh, what a 304 makes of it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from orchestration.outbound.page_rules import (
    MAX_HEURISTIC_S,
    age_s,
    confirmed,
    is_fresh,
    kept_headers,
    key_of,
    lifetime_s,
    supersedes,
    validators_of,
    will_do,
)
from pipeline.cached_pages import PageWish
from stages.contract import Fetched
from tests.contracts.test_records_cached_pages import new_page
from tests.support.tools import START

URL = "https://example.org/final"
DAY_S = 86_400.0


def answer(status: int = 200, headers: Mapping[str, str] | None = None, **fields: Any) -> Fetched:
    return Fetched(**{"url": URL, "status": status, "headers": headers or {}, "body": b"x", "wire_bytes": 1, **fields})


def page(kept_s: float = 0.0, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return new_page(kept_s, url=URL, headers=named)


def http_date(at: datetime) -> str:
    return format_datetime(at, usegmt=True)


def ago(seconds: float) -> str:
    return http_date(START - timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"cache-control": "max-age=60"},
        {"cache-control": "private, max-age=60"},
        {"cache-control": "no-cache"},
        {"cache-control": "max-age=0, must-revalidate"},
        {"vary": "Accept-Encoding, Cookie"},
        {"cache-control": "max-age=soon"},
    ],
)
def test_pages_are_kept(headers: dict[str, str]) -> None:
    assert kept_headers(answer(headers=headers)) == headers


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {"cache-control": "no-store"}),
        (200, {"cache-control": "private, No-Store"}),
        (200, {"vary": "*"}),
        (206, {}),
        (204, {}),
        (304, {}),
        (301, {}),
        (404, {"cache-control": "max-age=60"}),
        (410, {"cache-control": "max-age=60"}),
        (500, {"cache-control": "max-age=60"}),
    ],
)
def test_other_answers_are_not_kept(status: int, headers: dict[str, str]) -> None:
    assert kept_headers(answer(status, headers)) is None


def test_cookies_and_what_is_about_the_connection_are_not_kept() -> None:
    headers = {"set-cookie": "session=1", "connection": "close", "transfer-encoding": "chunked", "etag": '"1"'}
    assert kept_headers(answer(headers=headers)) == {"etag": '"1"'}


@pytest.mark.parametrize(("status", "does"), [(200, True), (404, True), (410, True), (429, False), (503, False)])
def test_an_answer_that_shows_that_a_copy_is_out_of_date(status: int, does: bool) -> None:
    assert supersedes(answer(status)) is does


@pytest.mark.parametrize(
    ("headers", "lifetime"),
    [
        ({}, 0),
        ({"cache_control": "max-age=60"}, 60),
        ({"cache_control": "s-maxage=600, max-age=60"}, 60),
        ({"cache_control": 'private="x, y", MAX-AGE="60"'}, 60),
        ({"cache_control": "max-age=60", "expires": "0"}, 60),
        ({"cache_control": "max-age=-1"}, 0),
        ({"cache_control": "max-age"}, 0),
        ({"cache_control": "max-age=999999999999999999999", "last_modified": ago(DAY_S)}, 0),
        ({"expires": ago(-90)}, 90),
        ({"expires": ago(-90), "date": ago(10)}, 100),
        ({"expires": "0"}, 0),
        ({"expires": "never", "last_modified": ago(DAY_S)}, 0),
        ({"last_modified": ago(DAY_S)}, DAY_S / 10),
        ({"last_modified": ago(DAY_S), "date": ago(DAY_S / 2)}, DAY_S / 20),
        ({"last_modified": ago(-60)}, 0),
        ({"last_modified": ago(400 * DAY_S)}, MAX_HEURISTIC_S),
        ({"last_modified": "yesterday"}, 0),
    ],
)
def test_how_long_a_copy_is_fresh(headers: dict[str, str], lifetime: float) -> None:
    assert lifetime_s(page(**headers)) == lifetime


def test_what_a_passing_redirect_led_to_is_never_fresh() -> None:
    assert lifetime_s(replace(page(cache_control="max-age=60"), is_moved_for_good=False)) == 0


@pytest.mark.parametrize(
    ("kept_s", "headers", "age"),
    [
        (0, {}, 0),
        (7, {}, 7),
        (7, {"age": "100"}, 107),
        (7, {"age": "old"}, 7),
        (7, {"date": ago(7)}, 7),
        (7, {"date": ago(57)}, 57),
        (7, {"date": ago(57), "age": "10"}, 57),
        (7, {"date": ago(-1000)}, 7),
    ],
)
def test_how_old_a_copy_is(kept_s: float, headers: dict[str, str], age: float) -> None:
    assert age_s(page(kept_s, **headers), START) == age


def test_a_copy_is_fresh_until_its_lifetime_is_over() -> None:
    assert is_fresh(page(59, cache_control="max-age=60"), START)
    assert not is_fresh(page(60, cache_control="max-age=60"), START)
    assert not is_fresh(page(10, cache_control="max-age=60", age="50"), START)
    assert not is_fresh(page(0, cache_control="max-age=60, no-cache"), START)
    assert is_fresh(page(0, cache_control='max-age=60, no-cache="set-cookie"'), START)


FRESH, STALE = {"cache_control": "max-age=9999"}, {"cache_control": "max-age=1"}
STRICT = {"cache_control": "max-age=1, must-revalidate"}


@pytest.mark.parametrize(
    ("headers", "max_age_s", "does"),
    [
        (FRESH, None, True),
        (STALE, None, False),
        (FRESH, 0, False),
        (FRESH, 101, True),
        (FRESH, 99, False),
        (STALE, 101, True),
        ({}, 101, True),
        (STRICT, 101, False),
        ({"cache_control": "no-cache"}, 101, False),
        ({"cache_control": "max-age=9999, must-revalidate"}, 101, True),
    ],
)
def test_what_a_job_takes(headers: dict[str, str], max_age_s: float | None, does: bool) -> None:
    """All copies are 100 seconds old."""
    assert will_do(page(100, **headers), PageWish("default", max_age_s), START) is does


@pytest.mark.parametrize("headers", [FRESH, STALE, STRICT, {}, {"cache_control": "no-cache"}])
def test_what_came_since_a_batch_asked_will_do_for_all_of_it(headers: dict[str, str]) -> None:
    copy = page(100, **headers)
    asked_at = START - timedelta(seconds=100)
    assert will_do(copy, PageWish("default", since=asked_at), START)
    assert will_do(copy, PageWish("default", 5, since=asked_at), START)
    assert not will_do(copy, PageWish("default", 0, since=asked_at), START)
    later = PageWish("default", since=asked_at + timedelta(seconds=1))
    assert will_do(copy, later, START) is is_fresh(copy, START)


def test_what_a_host_is_asked_to_compare_with() -> None:
    asked = validators_of(page(etag='W/"1"', last_modified="x"))
    assert asked is not None
    assert (asked.url, asked.headers) == (URL, {"If-None-Match": 'W/"1"', "If-Modified-Since": "x"})
    assert validators_of(page(cache_control="max-age=60")) is None


def test_a_304_renews_a_copy() -> None:
    copy = page(500, etag='"1"', cache_control="max-age=60", age="40", content_type="text/html")
    said = answer(304, {"etag": '"1"', "cache-control": "max-age=120", "content-type": "text/plain", "set-cookie": "a"})
    renewed = confirmed(copy, said, START)
    assert renewed == replace(
        copy,
        received_at=START,
        redirects=(),
        headers={"etag": '"1"', "cache-control": "max-age=120", "content-type": "text/html"},
    )
    assert is_fresh(renewed, START + timedelta(seconds=119))


def test_a_304_about_something_else_confirms_nothing() -> None:
    copy = page(500, etag='"1"')
    assert confirmed(copy, answer(304, {"etag": '"2"'}), START) is None
    assert confirmed(copy, answer(304, {"etag": '"1"'}, url="https://example.org/other"), START) is None
    assert confirmed(copy, answer(304), START) is not None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://Example.org:443/a", "https://example.org/a", True),
        ("https://example.org", "https://example.org/#top", True),
        ("https://example.org/a?x=1&y=2", "https://example.org/a?y=2&x=1", False),
        ("https://example.org/a", "https://example.org/A", False),
        ("https://example.org/a", "http://example.org/a", False),
        ("https://example.org/a", "https://example.org/a/", False),
        ("https://example.org/ü", "https://example.org/%C3%BC", True),
    ],
)
def test_which_urls_are_the_same_page(one: str, other: str, same: bool) -> None:
    assert (key_of("t", one, "") == key_of("t", other, "")) is same
    assert key_of("t", one, "") != key_of("u", one, "")
