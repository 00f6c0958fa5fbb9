from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.contract import Fetched, Page, Permanent, Postponed, Scope, Source, StageError, Transient
from stages.decoding import ENCODINGS, decode
from stages.fetch import fetch
from stages.web import Origin, origin_of
from tests.support.tools import START, FakeHttp, make_tools

URL = "https://example.org/page"
HTML = "<!doctype html><title>x</title><p>Grüße aus München, schöne Füße.</p>"
RUSSIAN = "<p>Река медленно поднималась, и сторож открыл затвор плотины раньше обычного.</p>"
JAPANESE = "<p>川の水がゆっくりと上がり、番人はいつもより早く水門を開けた。</p>"


def answer(
    status: int = 200, body: bytes = HTML.encode(), headers: Mapping[str, str] | None = None, **fields: Any
) -> Fetched:
    headers = {"content-type": "text/html"} if headers is None else headers
    return Fetched(**{"url": URL, "status": status, "headers": headers, "body": body, "wire_bytes": 99, **fields})


def run(reply: Fetched | Exception, url: str = URL) -> Page:
    return fetch.run(Source(url=url), make_tools(http=FakeHttp({url: reply})))


def failure(reply: Fetched | Exception, url: str = URL) -> StageError:
    with pytest.raises(StageError) as caught:
        run(reply, url)
    return caught.value


def test_a_page_tells_where_it_came_from() -> None:
    page = run(answer(url="https://example.org/final", redirects=(URL,)))
    assert page == Page(
        kind="html",
        text=HTML,
        charset="utf-8",
        url="https://example.org/final",
        requested_url=URL,
        redirects=(URL,),
        status=200,
        fetched_at=START,
        cache="miss",
        wire_bytes=99,
        decoded_bytes=len(HTML.encode()),
    )


@pytest.mark.parametrize(
    ("source", "kind", "text"),
    [
        (Source(body=b"<p>hi", content_type="text/html"), "html", "<p>hi"),
        (Source(body=b"<p>hi", content_type="text/plain; charset=utf-8"), "text", "<p>hi"),
        (Source(body=b"# hi", name="a.md"), "markdown", "# hi"),
        (Source(body=b"<p>hi", name="a.htm"), "html", "<p>hi"),
        (Source(body=b"\n <!DOCTYPE html><p>hi"), "html", "\n <!DOCTYPE html><p>hi"),
        (Source(body=b"hi", url=URL), "text", "hi"),
    ],
)
def test_submitted_content_is_decoded_and_nothing_is_fetched(source: Source, kind: str, text: str) -> None:
    http = FakeHttp()
    page = fetch.run(source, make_tools(http=http))
    assert (page.kind, page.text, page.url, page.status) == (kind, text, None, None)
    assert page.wire_bytes == page.decoded_bytes == len(source.body or b"")
    assert http.requested == []


def test_a_source_of_nothing_is_empty() -> None:
    with pytest.raises(Permanent, match="empty_body"):
        fetch.run(Source(), make_tools())


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (204, Permanent, "http_unexpected"),
        (206, Permanent, "http_unexpected"),
        (304, Permanent, "http_unexpected"),
        (302, Permanent, "http_unexpected"),
        (400, Permanent, "http_client_error"),
        (401, Permanent, "http_denied"),
        (403, Permanent, "http_denied"),
        (404, Permanent, "http_not_found"),
        (410, Permanent, "http_gone"),
        (418, Permanent, "http_client_error"),
        (451, Permanent, "http_denied"),
        (499, Permanent, "http_client_error"),
        (500, Transient, "http_server_error"),
        (502, Transient, "http_server_error"),
        (503, Transient, "http_unavailable"),
        (599, Transient, "http_server_error"),
        (999, Transient, "http_server_error"),
    ],
)
def test_statuses(status: int, kind: type[StageError], code: str) -> None:
    error = failure(answer(status, b""))
    assert (type(error), error.code) == (kind, code)


IN_A_MINUTE = format_datetime(START + timedelta(seconds=60), usegmt=False)


@pytest.mark.parametrize(
    ("status", "retry_after", "code", "delay_s"),
    [
        (429, None, "http_rate_limited", 30),
        (429, "soon", "http_rate_limited", 30),
        (429, "7", "http_rate_limited", 7),
        (429, "0", "http_rate_limited", 0),
        (429, "-5", "http_rate_limited", 30),
        (429, "9" * 18, "http_rate_limited", 900),
        (429, IN_A_MINUTE, "http_rate_limited", 60),
        (503, "120", "http_unavailable", 120),
        (503, IN_A_MINUTE, "http_unavailable", 60),
        (503, "Thu, 01 Jan 1970 00:00:00 GMT", "http_unavailable", 0),
    ],
)
def test_a_host_that_asks_for_patience_gets_it(status: int, retry_after: str | None, code: str, delay_s: float) -> None:
    error = failure(answer(status, b"", {"retry-after": retry_after} if retry_after else {}))
    assert isinstance(error, Postponed)
    assert (error.code, error.delay_s) == (code, delay_s)


def test_an_unreadable_retry_after_makes_503_transient() -> None:
    assert isinstance(failure(answer(503, b"", {"retry-after": "soon"})), Transient)


@pytest.mark.parametrize(
    ("content_type", "body", "path", "kind"),
    [
        ("application/xhtml+xml", HTML, "/", "html"),
        ("TEXT/HTML;charset=UTF-8", HTML, "/", "html"),
        ("text/plain", HTML, "/", "text"),
        ("text/markdown; charset=utf-8", "# x", "/", "markdown"),
        (None, HTML, "/", "html"),
        (None, "Dear all,", "/", "text"),
        ("application/octet-stream", "# x", "/notes.MD", "markdown"),
        ("application/octet-stream", "plain words", "/blob", "text"),
        ("", "<!-- c --><html>", "/", "html"),
    ],
)
def test_media_types(content_type: str | None, body: str, path: str, kind: str) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    assert run(answer(body=body.encode(), headers=headers, url="https://example.org" + path)).kind == kind


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/zip", b"PK"),
        ("image/png", b"\x89PNG"),
        ("application/json", b"{}"),
        ("application/octet-stream", b"\x89PNG\r\n\x1a\n\x00\x00"),
        (None, b"PK\x03\x04\x00\x00"),
    ],
)
def test_what_is_not_read_is_refused(content_type: str | None, body: bytes) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    assert failure(answer(body=body, headers=headers)).code == "unsupported_media_type"


@pytest.mark.parametrize("content_type", ["application/pdf", "application/octet-stream", "text/html"])
def test_pdf_is_kept_as_bytes(content_type: str) -> None:
    page = run(answer(body=b"%PDF-1.7 \xff\x00", headers={"content-type": content_type}))
    assert (page.kind, page.body, page.text, page.charset) == ("pdf", b"%PDF-1.7 \xff\x00", "", None)


def test_feed_is_decoded_as_it_declares() -> None:
    body = '<?xml version="1.0" encoding="iso-8859-15"?><rss>Wärme €'.encode("iso-8859-15")
    page = run(answer(body=body, headers={"content-type": "text/xml"}))
    assert (page.kind, page.charset, "Wärme €" in page.text) == ("feed", "iso8859-15", True)


@pytest.mark.parametrize("body", [b"", b" \n\t", "\ufeff \n".encode(), "\u3000\u00a0".encode()])
def test_blank_bodies_are_empty(body: bytes) -> None:
    assert failure(answer(body=body)).code == "empty_body"


@pytest.mark.parametrize(
    ("text", "stored_as", "content_type", "charset"),
    [
        (HTML, "utf-8", "text/html", "utf-8"),
        (HTML, "cp1252", "text/html; charset=iso-8859-1", "cp1252"),
        (HTML, "utf-8-sig", "text/html; charset=iso-8859-1", "utf-8"),
        (HTML, "utf-16", "text/html", "utf-16-le"),
        ("<meta charset=windows-1251>" + RUSSIAN, "cp1251", "text/html", "cp1251"),
        ('<meta charset="utf-16">' + RUSSIAN, "utf-8", "text/html", "utf-8"),
        (RUSSIAN, "cp1251", "text/html", "cp1251"),
        (RUSSIAN, "cp1251", "text/html; charset=utf-8", "cp1251"),
        (RUSSIAN, "koi8-r", "text/html; charset=koi8-r", "koi8-r"),
        (JAPANESE, "cp932", "text/html; charset=shift_jis", "cp932"),
        (JAPANESE * 2, "cp932", "text/html; charset=utf-8", "cp932"),
        (JAPANESE, "utf-8", "text/html; charset=shift_jis", "utf-8"),
        (HTML, "utf-8", "text/html; charset=no-such-thing", "utf-8"),
        (HTML, "utf-8", "text/html; charset=unicode_escape", "utf-8"),
        (HTML, "utf-8", "text/html; charset=hex", "utf-8"),
    ],
)
def test_charsets(text: str, stored_as: str, content_type: str, charset: str) -> None:
    page = run(answer(body=text.encode(stored_as), headers={"content-type": content_type}))
    assert (page.text, page.charset) == (text, charset)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("Grüße ".encode() * 9 + b"\xc3 cut", "Grüße " * 9 + "\ufffd cut"),
        ("Grüße \ufffd".encode(), "Grüße \ufffd"),
        (
            b"a stray\x00 zero byte in a long enough line of words to read",
            "a stray zero byte in a long enough line of words to read",
        ),
    ],
)
def test_a_little_damage_is_repaired(body: bytes, text: str) -> None:
    assert run(answer(body=body)).text == text


@pytest.mark.parametrize("content_type", ["text/html", "text/plain; charset=koi8-r", "text/html; charset=gb18030"])
def test_binary_data_under_a_text_type_is_undecodable(content_type: str) -> None:
    noise = bytes(range(256)) * 40
    assert failure(answer(body=noise, headers={"content-type": content_type})).code == "undecodable"


@given(body=st.binary(max_size=300), charset=st.sampled_from([*sorted(ENCODINGS), "rot13", "idna", ""]))
def test_any_bytes_become_text_that_can_be_stored_or_a_code(body: bytes, charset: str) -> None:
    try:
        text = decode(body, f"text/html; charset={charset}").text
    except Permanent as error:
        text = {"empty_body": "x", "undecodable": "x", "unsupported_media_type": "x"}[error.code]
    assert text.encode().strip()
    assert "\x00" not in text


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "invalid_url"),
        ("example.org", "invalid_url"),
        ("//example.org/", "invalid_url"),
        ("http://", "invalid_url"),
        ("http:///x", "invalid_url"),
        ("http://:80/", "invalid_url"),
        ("http://user@example.org/", "invalid_url"),
        ("http://user:secret@example.org/", "invalid_url"),
        ("http://example.org:0/", "invalid_url"),
        ("http://example.org:65536/", "invalid_url"),
        ("http://example.org:x/", "invalid_url"),
        ("http://[::1/", "invalid_url"),
        (" http://example.org/", "invalid_url"),
        ("http://example.org/a b", "invalid_url"),
        ("http://example.org/\n", "invalid_url"),
        ("http://example.org\\@evil.org/", "invalid_url"),
        ("http://example.org/" + "a" * 8000, "invalid_url"),
        ("ftp://example.org/", "unsupported_scheme"),
        ("file:///etc/passwd", "unsupported_scheme"),
        ("javascript:alert(1)", "unsupported_scheme"),
        ("data:text/html,x", "unsupported_scheme"),
    ],
)
def test_unreadable_urls_are_refused_before_anything_is_requested(url: str, code: str) -> None:
    http = FakeHttp({url: answer()})
    tools = make_tools(http=http)
    with pytest.raises(Permanent) as caught:
        fetch.run(Source(url=url), tools)
    assert caught.value.code == code
    assert "secret" not in str(caught.value)
    assert http.requested == []
    assert fetch.guard(Source(url=url), tools) is None


REFUSED = Origin("refused", 1)


@given(st.text() | st.text(alphabet=":/.@[]%a1", max_size=20).map("http://".__add__))
def test_any_string_is_an_origin_or_refused(url: str) -> None:
    try:
        origin = origin_of(url)
    except Permanent as error:
        origin = {"invalid_url": REFUSED, "unsupported_scheme": REFUSED}[error.code]
    assert origin.host
    assert 0 < origin.port < 65536


@pytest.mark.parametrize(
    ("source", "dependency"),
    [
        (Source(url="https://Example.ORG/a?b"), "origin:example.org:443"),
        (Source(url="http://example.org:8080"), "origin:example.org:8080"),
        (Source(url="http://[2001:DB8::1]/"), "origin:2001:db8::1:80"),
        (Source(url=URL, body=b"x"), None),
        (Source(body=b"x"), None),
    ],
)
def test_the_breaker_guards_the_origin(source: Source, dependency: str | None) -> None:
    assert fetch.guard(source, make_tools()) == dependency


def test_the_declaration() -> None:
    assert (fetch.name, fetch.pool, fetch.time_limit_s) == ("fetch", "io", 60)
    assert (fetch.accepts, fetch.returns) == ((Source,), Page)


@dataclass
class Copies:
    """Pages of which there are copies."""

    answer: Fetched

    def spares_host(self, url: str) -> bool:
        return url == self.answer.url

    def get(self, _url: str, _scope: Scope) -> Fetched:
        return self.answer


def test_a_copy_is_given_whatever_became_of_its_host() -> None:
    tools = make_tools(pages=Copies(answer()))
    assert fetch.guard(Source(url=URL), tools) is None
    assert fetch.guard(Source(url=f"{URL}/other"), tools) == "origin:example.org:443"


def test_a_page_from_a_copy_says_so_and_how_old_it_is() -> None:
    received_at = START - timedelta(hours=1)
    tools = make_tools(pages=Copies(answer(cache="hit", received_at=received_at)))
    page = fetch.run(Source(url=URL), tools)
    assert (page.cache, page.fetched_at) == ("hit", received_at)


def test_submitted_content_is_no_copy() -> None:
    assert fetch.run(Source(body=b"<p>words</p>", content_type="text/html"), make_tools()).cache is None
