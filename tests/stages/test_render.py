from dataclasses import dataclass, field
from datetime import datetime

import pytest

from stages.contract import Fetched, Page, Scope, Source, StageError
from stages.render import render
from tests.support.tools import START, make_tools

URL = "https://example.org/app"


@dataclass
class FakeBrowser:
    answer: Fetched
    asked: list[str] = field(default_factory=list)

    def render(self, url: str, scope: Scope) -> Fetched:
        scope.check()
        self.asked.append(url)
        return self.answer


def shown(status: int = 200, headers: dict[str, str] | None = None) -> FakeBrowser:
    return FakeBrowser(Fetched(f"{URL}#/home", status, headers or {}, "<p>Grüße".encode(), 1234, (URL,)))


def code_of(source: Source, browser: FakeBrowser | None) -> str:
    with pytest.raises(StageError) as caught:
        render.run(source, make_tools(browser=browser))
    return caught.value.code


def test_a_page_is_what_the_browser_shows() -> None:
    browser = shown()
    page = render.run(Source(url=URL), make_tools(browser=browser))
    fetched_at: datetime = START
    assert page == Page(
        kind="html",
        text="<p>Grüße",
        charset="utf-8",
        url=f"{URL}#/home",
        requested_url=URL,
        redirects=(URL,),
        status=200,
        fetched_at=fetched_at,
        cache="miss",
        wire_bytes=1234,
        decoded_bytes=len("<p>Grüße".encode()),
    )
    assert browser.asked == [URL]


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "http_not_found"), (403, "http_denied"), (429, "http_rate_limited"), (500, "http_server_error")],
)
def test_statuses_mean_what_they_mean_to_fetch(status: int, code: str) -> None:
    assert code_of(Source(url=URL), shown(status)) == code


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (Source(body=b"<p>x"), "invalid_url"),
        (Source(url="file:///etc/passwd"), "unsupported_scheme"),
        (Source(url="no url"), "invalid_url"),
    ],
)
def test_only_pages_of_the_web_are_rendered(source: Source, code: str) -> None:
    browser = shown()
    assert code_of(source, browser) == code
    assert browser.asked == []


def test_without_a_browser_there_is_a_code() -> None:
    assert code_of(Source(url=URL), None) == "render_unavailable"


def test_the_breaker_guards_the_origin() -> None:
    assert render.guard(Source(url=URL), make_tools()) == "origin:example.org:443"
    assert render.guard(Source(url="no url"), make_tools()) is None
