"""The browser's way out, spoken to without a browser."""

import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from orchestration.outbound.browser_proxy import GuardedProxy, ProxyLimits
from orchestration.outbound.guard import Address, AddressRules
from orchestration.outbound.network import Pace
from pipeline.clock import SystemClock
from stages.contract import Scope
from tests.support.origin import Origin, Reply

CLOCK = SystemClock()
LOOPBACK = ip_network("127.0.0.0/8")


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as server:
        yield server


def names(host: str, _port: int) -> tuple[Address, ...]:
    if host in {"page.test", "inside.test"}:
        return (ip_address("127.0.0.1"),)
    try:
        return (ip_address(host),)
    except ValueError:
        raise OSError(host) from None


@contextmanager
def proxy(allow: Any = ("page.test",), max_bytes: int = 10**6, max_requests: int = 100) -> Iterator[GuardedProxy]:
    scope = Scope(CLOCK, CLOCK.monotonic() + 30)
    limits = ProxyLimits(max_bytes, max_requests)
    with GuardedProxy(AddressRules(allow), Pace(scope, scope.deadline), limits, names).open() as opened:
        yield opened


def authorization(opened: GuardedProxy, password: str | None = None) -> str:
    given = f"{opened.access.get('username')}:{password or opened.access.get('password')}"
    return f"Proxy-Authorization: Basic {b64encode(given.encode()).decode()}\n"


def said(opened: GuardedProxy, asked: str, *parts: str) -> bytes:
    """All that comes back to one who has the password, until the connection ends."""
    return said_as(opened, authorization(opened), asked, *parts)


def said_as(opened: GuardedProxy, who: str, asked: str, *parts: str) -> bytes:
    host, _, port = opened.access["server"].removeprefix("http://").partition(":")
    line, _, rest = asked.partition("\n")
    with closing(socket.create_connection((host, int(port)), timeout=15)) as sock:
        for part in (f"{line}\n{who}{rest}", *parts):
            sock.sendall(part.replace("\n", "\r\n").encode())
        return b"".join(iter(lambda: sock.recv(65536), b""))


def test_a_request_is_sent_on_in_the_form_for_hosts(origin: Origin) -> None:
    url = origin.on("/page", Reply(body="words", headers={"Keep-Alive": "timeout=5", "Connection": "keep-alive"}))
    with proxy((LOOPBACK,)) as opened:
        head = f"GET {url}?q=1 HTTP/1.1\nHost: x\nProxy-Connection: keep-alive\nX-A: 1\n\n"
        answer = said(opened, head)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"\r\n\r\nwords")
    assert b"Connection: close" in answer
    assert b"Keep-Alive" not in answer
    (seen,) = origin.requests("/page")
    assert (seen.headers["x-a"], seen.headers["connection"]) == ("1", "close")
    assert not {"proxy-connection", "proxy-authorization"} & seen.headers.keys()


def test_a_body_of_stated_length_is_sent_on_and_nothing_after_it(origin: Origin) -> None:
    url = origin.on("/form", Reply(body="done"))
    with proxy((LOOPBACK,)) as opened:
        assert said(opened, f"POST {url} HTTP/1.1\nHost: x\nContent-Length: 3\n\n", "a=b").endswith(b"done")
        smuggled = f"GET {url} HTTP/1.1\nHost: other\n\n"
        said(opened, f"POST {url} HTTP/1.1\nHost: x\nContent-Length: 3\n\na=b", smuggled)
    assert next(seen.body for seen in origin.requests("/form") if seen.method == "POST") == "a=b"
    assert [seen.method for seen in origin.requests("/form") if seen.method != "POST"] == []


def test_a_tunnel_copies_both_ways(origin: Origin) -> None:
    origin.on("/page", Reply(body="through"))
    with proxy() as opened:
        answer = said(opened, f"CONNECT page.test:{origin.port} HTTP/1.1\n\n", "GET /page HTTP/1.1\nHost: x\n\n")
    assert answer.startswith(b"HTTP/1.1 200 Connected\r\n\r\nHTTP/1.1 200")
    assert answer.endswith(b"through")


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("CONNECT inside.test:{port} HTTP/1.1\n\n", "blocked_address"),
        ("CONNECT 127.0.0.1:{port} HTTP/1.1\n\n", "blocked_address"),
        ("CONNECT [::1]:{port} HTTP/1.1\n\n", "blocked_address"),
        ("CONNECT 8.8.8.8:22 HTTP/1.1\n\n", "blocked_port"),
        ("CONNECT unknown.test:443 HTTP/1.1\n\n", "dns_failure"),
        ("GET http://inside.test:{port}/canary HTTP/1.1\nHost: page.test\n\n", "blocked_address"),
        ("GET http://127.0.0.1:{port}/canary HTTP/1.1\nHost: page.test:{port}\n\n", "blocked_address"),
    ],
)
def test_what_may_not_be_reached_is_not(origin: Origin, asked: str, code: str) -> None:
    with proxy() as opened:
        assert said(opened, asked.format(port=origin.port)) == b""
        assert [error.code for error in opened.traffic.refused.values()] == [code]
    assert origin.requests("/canary") == []


@pytest.mark.parametrize(
    "asked",
    [
        "GET /canary HTTP/1.1\nHost: page.test\n\n",
        "GET ftp://page.test/canary HTTP/1.1\n\n",
        "GET http://a@page.test:{port}/canary HTTP/1.1\n\n",
        "GET http://[page.test/ HTTP/1.1\n\n",
        "GET http://page.test:99999/canary HTTP/1.1\n\n",
        "POST http://page.test:{port}/canary HTTP/1.1\nTransfer-Encoding: chunked\n\n0\n\n",
        "nonsense\n\n",
    ],
)
def test_what_cannot_be_understood_is_not_sent_on(origin: Origin, asked: str) -> None:
    with proxy() as opened:
        assert said(opened, asked.format(port=origin.port)) == b""
    assert origin.requests("/canary") == []


@pytest.mark.parametrize("asked", ["GET {url} HTTP/1.1\nHost: x\n\n", "CONNECT 127.0.0.1:{port} HTTP/1.1\n\n"])
def test_who_does_not_have_the_password_is_not_served(origin: Origin, asked: str) -> None:
    with proxy((LOOPBACK,)) as opened, proxy((LOOPBACK,)) as another:
        request = asked.format(url=origin.url("/canary"), port=origin.port)
        strangers = ("", authorization(opened, "wrong"), authorization(another), "Proxy-Authorization: Basic =\n")
        answers = [said_as(opened, who, request) for who in strangers]
        assert {answer.partition(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 407 Proxy Authentication Required"}
        assert opened.traffic.requests == 0
    assert origin.requests("/canary") == []


def test_bytes_are_counted_and_bounded(origin: Origin) -> None:
    url = origin.on("/big", Reply(raw=b"x" * 1000, repeat=1000))
    with proxy((LOOPBACK,), max_bytes=200_000) as opened:
        assert len(said(opened, f"GET {url} HTTP/1.1\nHost: x\n\n")) < 300_000
        assert opened.traffic.is_too_much
        assert said(opened, f"GET {url} HTTP/1.1\nHost: x\n\n") == b""


def test_requests_are_counted_and_bounded(origin: Origin) -> None:
    url = origin.on("/page", Reply(body="words"))
    with proxy((LOOPBACK,), max_requests=2) as opened:
        answers = [said(opened, f"GET {url} HTTP/1.1\nHost: x\n\n") for _ in range(3)]
    assert [answer.endswith(b"words") for answer in answers] == [True, True, False]
