"""Robots, pace and patience, with a fake web and turns of this process."""

import threading
from collections.abc import Mapping
from contextlib import nullcontext
from ipaddress import ip_network
from random import Random
from typing import Any

import pytest

from orchestration.outbound.hosts import HostPace
from orchestration.outbound.hosts_local import LocalHosts
from orchestration.outbound.http import GuardedHttp
from orchestration.outbound.politeness import Etiquette, Manners, PoliteBrowser, PoliteHttp
from orchestration.outbound.robots import FRESH_S, KEPT_S, MAX_BYTES, ROBOTS_LIMITS, Robots
from pipeline.clock import SystemClock
from stages.contract import Awaited, Fetched, Permanent, Postponed, Scope, Transient, Visitor
from tests.support.origin import Origin, Reply
from tests.support.tools import FakeHttp, ManualClock

PAGE = "https://example.org/page"
ROBOTS = "https://example.org/robots.txt"


def answer(url: str, body: str = "", status: int = 200, headers: Mapping[str, str] | None = None) -> Fetched:
    return Fetched(url, status, headers or {}, body.encode(), len(body))


class ShowingBrowser:
    """Shows what a web answers."""

    def __init__(self, web: FakeHttp) -> None:
        self._web = web

    def render(self, url: str, scope: Scope) -> Fetched:
        return self._web.get(url, scope)


class Bench:
    """A polite client and a polite browser over a web of fixed answers."""

    def __init__(self, robots: Fetched | Exception | None = None, **manners: Any) -> None:
        self.clock = ManualClock()
        self.web = FakeHttp({PAGE: answer(PAGE, "words"), ROBOTS: robots or answer(ROBOTS, status=404)})
        self.states = LocalHosts(self.clock)
        self.robots = Robots(self.web, self.states, "Penstock", self.clock, Random(7))
        etiquette = Etiquette(self.robots, self.states, Manners(**{"pace": HostPace(interval_s=2), **manners}))
        self.client = PoliteHttp(self.web, etiquette)
        self.browser = PoliteBrowser(ShowingBrowser(self.web), etiquette)

    def get(self, name: str = "a", url: str = PAGE, **visitor: Any) -> int:
        return self.client.get(url, self.scope(name, **visitor)).status

    def render(self, name: str = "a", url: str = PAGE, **visitor: Any) -> int:
        return self.browser.render(url, self.scope(name, **visitor)).status

    def scope(self, name: str, **visitor: Any) -> Scope:
        return Scope(self.clock, self.clock.monotonic() + 60, visitor=Visitor(name, **visitor))

    def asked(self, url: str = ROBOTS) -> int:
        return self.web.requested.count(url)


def test_what_robots_txt_does_not_allow_is_not_fetched() -> None:
    bench = Bench(answer(ROBOTS, "User-agent: *\nDisallow: /page$\nAllow: /"))
    with pytest.raises(Permanent, match="robots_denied"):
        bench.get()
    assert bench.asked(PAGE) == 0


@pytest.mark.parametrize(
    ("rules", "allowed"),
    [
        ("User-agent: penstock\nDisallow: /", False),
        ("User-agent: *\nDisallow: /\n\nUser-agent: Penstock\nAllow: /", True),
        ("User-agent: other\nDisallow: /", True),
        ("User-agent: *\nDisallow: /*ge$", False),
        ("User-agent: *\nDisallow: /pages", True),
        ("User-agent: *\nDisallow:", True),
        ("<html>not found</html>", True),
        ("", True),
        ("\x00\xff" * 100, True),
    ],
)
def test_rules_are_read_as_the_standard_says(rules: str, allowed: bool) -> None:
    bench = Bench(answer(ROBOTS, rules))
    with nullcontext() if allowed else pytest.raises(Permanent, match="robots_denied"):
        assert bench.get() == 200


def test_a_job_may_be_exempt_and_does_not_even_ask() -> None:
    bench = Bench(answer(ROBOTS, "User-agent: *\nDisallow: /"))
    assert bench.get(obeys_robots=False) == 200
    assert bench.asked() == 0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_without_robots_txt_everything_is_allowed(status: int) -> None:
    assert Bench(answer(ROBOTS, "User-agent: *\nDisallow: /", status)).get() == 200


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_host_that_fails_to_say_is_left_alone_and_not_asked_again_at_once(status: int) -> None:
    bench = Bench(answer(ROBOTS, status=status))
    for name in "ab":
        with pytest.raises(Postponed, match="robots_unavailable") as caught:
            bench.get(name)
        assert not isinstance(caught.value, Awaited)
        assert 0 < caught.value.delay_s <= 65
    assert (bench.asked(), bench.asked(PAGE)) == (1, 0)
    bench.clock.advance(61)
    bench.web.answers[ROBOTS] = answer(ROBOTS)
    assert bench.get() == 200


def test_an_older_copy_stands_in_for_a_day() -> None:
    bench = Bench(answer(ROBOTS, "User-agent: *\nAllow: /page\nDisallow: /"))
    assert bench.get() == 200
    bench.clock.advance(FRESH_S + 1)
    bench.web.answers[ROBOTS] = answer(ROBOTS, status=500)
    assert bench.get() == 200
    assert bench.asked() == 2
    bench.clock.advance(KEPT_S)
    with pytest.raises(Postponed, match="robots_unavailable"):
        bench.get()


def test_a_host_that_cannot_be_reached_says_so_itself() -> None:
    bench = Bench(Transient("connect_failed"))
    with pytest.raises(Transient, match="connect_failed"):
        bench.get()


@pytest.mark.parametrize("code", ["too_many_redirects", "unsupported_encoding", "blocked_address"])
def test_a_robots_txt_that_is_of_no_use_forbids_nothing(code: str) -> None:
    assert Bench(Permanent(code)).get() == 200


def test_robots_txt_is_asked_for_once_an_hour() -> None:
    bench = Bench()
    for name in "abc":
        bench.get(name)
        bench.clock.advance(10)
    assert bench.asked() == 1
    bench.clock.advance(FRESH_S)
    bench.get()
    assert bench.asked() == 2


def test_one_visitor_asks_and_the_others_come_back() -> None:
    bench, asking, answered = Bench(), threading.Event(), threading.Event()
    plain = bench.web.get

    def slow(url: str, scope: Scope, *rest: Any) -> Fetched:
        if url == ROBOTS:
            asking.set()
            answered.wait(20)
        return plain(url, scope, *rest)

    bench.web.get = slow  # type: ignore[method-assign]
    first = threading.Thread(target=bench.get)
    first.start()
    assert asking.wait(10)
    with pytest.raises(Awaited, match="robots_awaited"):
        bench.get("b")
    answered.set()
    first.join()
    assert bench.asked() == 1


def test_who_comes_before_his_turn_is_told_when_it_is() -> None:
    bench = Bench()
    assert bench.get("a") == 200
    with pytest.raises(Awaited, match="host_busy") as caught:
        bench.get("b")
    assert caught.value.delay_s == pytest.approx(2)
    bench.clock.advance(2)
    assert bench.get("b") == 200


def test_a_longer_crawl_delay_counts_and_a_shorter_one_does_not() -> None:
    for stated, kept in ((30, 30), (0.5, 2), (86_400, 60)):
        bench = Bench(answer(ROBOTS, f"User-agent: *\nCrawl-delay: {stated}"))
        bench.get("a")
        with pytest.raises(Awaited) as caught:
            bench.get("b")
        assert caught.value.delay_s == pytest.approx(kept)


@pytest.mark.parametrize(
    ("own", "url"),
    [
        ([ip_network("127.0.0.0/8")], "http://127.0.0.1:8080/"),
        ([ip_network("127.0.0.0/8")], "http://localhost:8080/"),
        ([ip_network("fd00::/8")], "http://[fd00::1]/"),
        (["wiki.internal"], "http://Wiki.internal/"),
    ],
)
def test_hosts_of_the_operators_own_are_held_to_what_they_say_only(own: Any, url: str) -> None:
    bench = Bench(own=tuple(own))
    bench.web.answers |= {url: answer(url), url + "robots.txt": answer(url, status=404)}
    assert [bench.get(name, url) for name in "abc"] == [200, 200, 200]
    bench.web.answers[url] = answer(url, status=429, headers={"retry-after": "40"})
    assert bench.get("d", url) == 429
    with pytest.raises(Awaited) as caught:
        bench.get("e", url)
    assert caught.value.delay_s == pytest.approx(40, abs=1)


@pytest.mark.parametrize("status", [429, 503])
def test_all_wait_where_a_host_asked_one_for_patience(status: int) -> None:
    bench = Bench()
    bench.web.answers[PAGE] = answer(PAGE, status=status, headers={"retry-after": "90"})
    assert bench.get("a") == status
    with pytest.raises(Awaited, match="host_busy") as caught:
        bench.get("b")
    assert caught.value.delay_s == pytest.approx(90, abs=3)
    assert bench.asked(PAGE) == 1


def test_a_visit_that_fails_is_over_all_the_same() -> None:
    bench = Bench(pace=HostPace(most=1))
    bench.web.answers[PAGE] = Transient("fetch_timeout")
    for name in "ab":
        with pytest.raises(Transient, match="fetch_timeout"):
            bench.get(name)


def test_a_page_is_not_rendered_where_robots_txt_does_not_allow_it_unless_the_job_is_exempt() -> None:
    bench = Bench(answer(ROBOTS, "User-agent: *\nDisallow: /page"))
    with pytest.raises(Permanent, match="robots_denied"):
        bench.render()
    assert bench.asked(PAGE) == 0
    assert bench.render(obeys_robots=False) == 200


def test_fetches_and_rendered_pages_take_turns_in_one_line() -> None:
    bench = Bench()
    assert bench.get("a") == 200
    with pytest.raises(Awaited, match="host_busy") as caught:
        bench.render("b")
    assert caught.value.delay_s == pytest.approx(2)
    bench.clock.advance(2)
    assert bench.render("b") == 200
    with pytest.raises(Awaited, match="host_busy"):
        bench.get("c")


def test_all_wait_where_a_host_asked_a_browser_for_patience() -> None:
    bench = Bench()
    bench.web.answers[PAGE] = answer(PAGE, status=429, headers={"retry-after": "90"})
    assert bench.render("a") == 429
    for come in (bench.get, bench.render):
        with pytest.raises(Awaited, match="host_busy"):
            come("b")
    assert bench.asked(PAGE) == 1


# with a real server

CLOCK = SystemClock()
LOOPBACK = ip_network("127.0.0.0/8")


def polite(origin: Origin) -> Any:
    states = LocalHosts(CLOCK)
    asked = GuardedHttp(user_agent="test", limits=ROBOTS_LIMITS, allow_networks=[LOOPBACK])
    robots = Robots(asked, states, "Penstock", CLOCK, Random(7))
    pages = GuardedHttp(user_agent="test", allow_networks=[LOOPBACK], may_follow=robots.welcome)
    client = PoliteHttp(pages, Etiquette(robots, states, Manners(HostPace(), (LOOPBACK,))))
    return lambda path: client.get(origin.url(path), Scope(CLOCK, CLOCK.monotonic() + 20))


def test_a_page_that_redirects_to_what_is_not_allowed_is_not_followed() -> None:
    with Origin() as origin:
        origin.on("/robots.txt", Reply(body="User-agent: *\nDisallow: /private", content_type="text/plain"))
        origin.on("/open", Reply(status=302, headers={"Location": "/private/page"}))
        with pytest.raises(Permanent, match="robots_denied"):
            polite(origin)("/open")
        assert (origin.hits("/open"), origin.hits("/private/page"), origin.hits("/robots.txt")) == (1, 0, 1)


def test_of_a_robots_txt_without_end_the_beginning_counts() -> None:
    with Origin() as origin:
        rules = b"User-agent: *\nDisallow: /private\n" + b"# and so on\n" * 1000
        origin.on("/robots.txt", Reply(raw=rules, repeat=2000, content_type="text/plain"))
        assert len(rules) * 2000 > 10 * MAX_BYTES
        get = polite(origin)
        assert get("/open").status == 200
        with pytest.raises(Permanent, match="robots_denied"):
            get("/private")


def test_robots_txt_may_move() -> None:
    with Origin() as origin:
        origin.on("/robots.txt", Reply(status=301, headers={"Location": "/rules.txt"}))
        origin.on("/rules.txt", Reply(body="User-agent: *\nDisallow: /private", content_type="text/plain"))
        with pytest.raises(Permanent, match="robots_denied"):
            polite(origin)("/private")
