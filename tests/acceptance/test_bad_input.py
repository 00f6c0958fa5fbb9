"""What bad input gets: a failed job with a stable code, a sentence, the stage, and whether a retry could help.

All jobs run at once. Hosts that are blamed have a port, and so a breaker, of their own.
"""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

import pytest
import trustme

from pipeline.definition import CATALOG
from stages.contract import CODES
from tests.support.origin import Origin, Reply
from tests.support.stack import JobView, LiveStack, live_stack, stage_of

pytestmark = [pytest.mark.timeout(240), pytest.mark.full]

RETRIED = CATALOG.stage("fetch").retry.max_attempts
MAX_WIRE_BYTES = 200_000
EMPTY_PAGE = "<html><head><title>Nothing</title></head><body></body></html>"
ONLY_LINKS = "<html><body><nav><a href='/a'>One</a><a href='/b'>Two</a></nav></body></html>"
NOISE = bytes(range(256)) * 40
FOR_EVER = "<html><body><p " + " ".join(f"a{number}=''" for number in range(40_000)) + ">Hello.</p></body></html>"
"""Costs lxml most of a minute."""


class Hosts:
    """Makes the hosts that the cases need, and takes them down."""

    def __init__(self, cleanup: ExitStack) -> None:
        self._cleanup = cleanup
        self._shared = cleanup.enter_context(Origin())

    def page(self, path: str, reply: Reply) -> str:
        """On a host that all healthy answers share."""
        return self._shared.on(path, reply)

    def blamed(self, reply: Reply) -> str:
        """On a host of its own."""
        return self._cleanup.enter_context(Origin(default=reply)).url("/")

    def self_signed(self) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
        return self._cleanup.enter_context(Origin(tls=context)).url("/")

    def closed_port(self) -> str:
        """Bound but not listening, so that nobody else gets the port."""
        bound = self._cleanup.enter_context(socket.socket())
        bound.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{bound.getsockname()[1]}/"


@dataclass(frozen=True)
class Case:
    """One bad input, and what its job has to end with."""

    code: str
    body: Callable[[Hosts], dict[str, object]]
    stage: str = "fetch"
    attempts: int = 1


def url(code: str, url: str) -> Case:
    return Case(code, lambda _hosts: {"url": url})


def page(code: str, reply: Reply, stage: str = "fetch") -> Case:
    path = f"/{code}-{reply.status}"
    return Case(code, lambda hosts: {"url": hosts.page(path, reply)}, stage)


def blamed(code: str, reply: Reply) -> Case:
    return Case(code, lambda hosts: {"url": hosts.blamed(reply)}, attempts=RETRIED)


CASES = {
    "malformed URL": url("invalid_url", "http://[::1/page"),
    "no URL at all": url("invalid_url", "example"),
    "URL with a password": url("invalid_url", "https://me:secret@example.org/"),
    "unsupported scheme": url("unsupported_scheme", "ftp://example.org/page"),
    "private address": url("blocked_address", "http://10.0.0.1/"),
    "metadata service": url("blocked_address", "http://169.254.169.254/latest/meta-data/"),
    "private IPv6 address": url("blocked_address", "http://[fd00::1]/"),
    "redirect to a private address": page("blocked_address", Reply(302, headers={"Location": "http://10.0.0.1/"})),
    "empty text": Case("empty_body", lambda _hosts: {"text": ""}),
    "blank html": Case("empty_body", lambda _hosts: {"html": " \n"}),
    "empty answer": page("empty_body", Reply(body="")),
    "page without content": Case("no_article", lambda _hosts: {"html": EMPTY_PAGE}, "extract"),
    "page without an article": Case("no_article", lambda _hosts: {"html": ONLY_LINKS}, "extract"),
    "page that takes for ever to parse": Case("parse_timeout", lambda _hosts: {"html": FOR_EVER}, "extract"),
    "400": page("http_client_error", Reply(400)),
    "401": page("http_denied", Reply(401)),
    "403": page("http_denied", Reply(403)),
    "404": page("http_not_found", Reply(404)),
    "410": page("http_gone", Reply(410)),
    "451": page("http_denied", Reply(451)),
    "206": page("http_unexpected", Reply(206)),
    "500": blamed("http_server_error", Reply(500)),
    "503": blamed("http_unavailable", Reply(503)),
    "host that hangs up": blamed("protocol_error", Reply(close=True)),
    "host that never answers": blamed("fetch_timeout", Reply(delay_s=60)),
    "unknown host": Case("dns_failure", lambda _hosts: {"url": "http://nonexistent.invalid/"}, attempts=RETRIED),
    "refused connection": Case("connect_failed", lambda hosts: {"url": hosts.closed_port()}, attempts=RETRIED),
    "self-signed certificate": Case("tls_failure", lambda hosts: {"url": hosts.self_signed()}),
    "no TLS": Case("tls_failure", lambda hosts: {"url": hosts.blamed(Reply()).replace("http:", "https:")}),
    "larger than the limit": page("too_large", Reply(repeat=MAX_WIRE_BYTES // 50)),
    "image": page("unsupported_media_type", Reply(raw=b"\x89PNG\r\n\x1a\n", content_type="image/png")),
    "undecodable bytes": page("undecodable", Reply(raw=NOISE)),
    "redirect loop": page("too_many_redirects", Reply(302, headers={"Location": "/too_many_redirects-302"})),
    "brotli": page("unsupported_encoding", Reply(encoding="br")),
}


@pytest.fixture(scope="module")
def ended() -> Iterator[dict[str, JobView]]:
    """The jobs of all cases, by name, once all have ended."""
    with ExitStack() as cleanup, _strict_stack() as stack:
        hosts = Hosts(cleanup)
        ids = [stack.submit(**case.body(hosts)) for case in CASES.values()]
        yield dict(zip(CASES, stack.wait_all(ids), strict=True))


def _strict_stack() -> AbstractContextManager[LiveStack]:
    return live_stack(fetch_read_timeout_s=1, fetch_max_wire_bytes=MAX_WIRE_BYTES, parse_timeout_s=4)


@pytest.mark.parametrize("name", CASES)
def test_bad_input_ends_in_a_failed_job_that_says_why(ended: dict[str, JobView], name: str) -> None:
    view, case = ended[name], CASES[name]
    error = view["error"]
    assert view["status"] == "failed"
    assert (error["code"], error["stage"]) == (case.code, case.stage)
    assert error["retryable"] is CODES[case.code].retry_helps
    assert stage_of(view, case.stage)["attempts"] == case.attempts
    _assert_sentence(error["message"])
    assert view["result_url"] is None


def _assert_sentence(message: str) -> None:
    assert message[0].isupper()
    assert message.endswith(".")
    assert len(message.split()) > 3
    assert "Traceback" not in message
