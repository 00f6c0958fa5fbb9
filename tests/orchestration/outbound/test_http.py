import gzip
import inspect
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import httpcore
import httpx
import pytest
import trustme

from orchestration.outbound.guard import Address
from orchestration.outbound.http import CODE_OF_ERROR, GuardedHttp, HttpLimits, explain
from pipeline.clock import SystemClock
from stages.contract import (
    Cancelled,
    CancelToken,
    Permanent,
    Postponed,
    Scope,
    Source,
    StageError,
    Transient,
    Validators,
)
from stages.fetch import fetch
from tests.support.bombs import Bomb, Forever, Minefield, Pieces
from tests.support.origin import PAGE, Origin, Reply
from tests.support.tools import make_tools

LOOPBACK = ip_network("127.0.0.0/8")
LIMITS = HttpLimits(connect_timeout_s=1, read_timeout_s=1, total_timeout_s=4)
CLOCK = SystemClock()


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin() as server:
        yield server


def scope(seconds: float = 30.0, token: CancelToken | None = None) -> Scope:
    return Scope(clock=CLOCK, deadline=CLOCK.monotonic() + seconds, token=token or CancelToken())


def client(**options: Any) -> GuardedHttp:
    return GuardedHttp(**{"user_agent": "test", "limits": LIMITS, "allow_networks": [LOOPBACK], **options})


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(StageError) as caught:
        call()
    assert "127.0.0.1" not in str(caught.value)
    return caught.value.code


def resolving_to(*addresses: str) -> Callable[[str, int], tuple[Address, ...]]:
    return lambda _host, _port: tuple(ip_address(address) for address in addresses)


def test_an_answer_is_read_in_full(origin: Origin) -> None:
    url = origin.on("/page", Reply(body="Grüße", headers={"X-A": "1"}))
    fetched = client(user_agent="Penstock/1").get(url, scope())
    assert (fetched.url, fetched.status, fetched.body, fetched.redirects) == (url, 200, "Grüße".encode(), ())
    assert (fetched.headers["x-a"], fetched.wire_bytes) == ("1", 7)
    headers = origin.requests("/page")[-1].headers
    assert (headers["user-agent"], headers["accept-encoding"]) == ("Penstock/1", "gzip, deflate")
    assert headers["host"] == f"127.0.0.1:{origin.port}"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw-deflate"])
def test_compressed_answers_are_decoded(origin: Origin, encoding: str) -> None:
    url = origin.on("/packed", Reply(encoding=encoding, body=PAGE * 50))
    fetched = client().get(url, scope())
    assert fetched.body.decode() == PAGE * 50
    assert fetched.wire_bytes < len(fetched.body)


@pytest.mark.parametrize("status", [404, 429, 500, 204, 304, 503])
def test_error_statuses_are_answers_and_their_bodies_are_not_read(origin: Origin, status: int) -> None:
    url = origin.on("/status", Reply(status=status, raw=b"x" * 1000, repeat=10**6 if status >= 400 else 0))
    fetched = client(limits=replace(LIMITS, max_wire_bytes=10)).get(url, scope())
    assert (fetched.status, fetched.body) == (status, b"")


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(raw=b"x" * 1000, repeat=200), "too_large"),
        (Reply(raw=gzip.compress(bytes(10**7)), headers={"Content-Encoding": "gzip"}), "too_large"),
        (Reply(encoding="br"), "unsupported_encoding"),
        (Reply(encoding="gzip, gzip"), "unsupported_encoding"),
        (Reply(raw=b"not gzip at all", headers={"Content-Encoding": "gzip"}), "protocol_error"),
        (Reply(cut_at=10), "protocol_error"),
        (Reply(encoding="gzip", cut_at=30), "protocol_error"),
        (Reply(close=True), "protocol_error"),
        (Reply(headers={"X-Big": "x" * 300_000}), "protocol_error"),
        (Reply(delay_s=30), "fetch_timeout"),
    ],
)
def test_bad_answers(origin: Origin, reply: Reply, code: str) -> None:
    url = origin.on("/bad", reply)
    tight = client(limits=replace(LIMITS, max_wire_bytes=100_000, max_decoded_bytes=200_000))
    assert code_of(lambda: tight.get(url, scope())) == code
    assert origin.hits("/bad") == 1


def test_a_host_that_never_ends_is_cut_off_at_the_total_deadline(origin: Origin) -> None:
    url = origin.on("/drip", Reply(drip_s=0.1, body=PAGE * 10))
    started = time.monotonic()
    limits = HttpLimits(read_timeout_s=20, total_timeout_s=1.5)
    assert code_of(lambda: client(limits=limits).get(url, scope())) == "fetch_timeout"
    assert 1.4 < time.monotonic() - started < 2.5


DRIPPING = HttpLimits(read_timeout_s=1, total_timeout_s=60)
"""Nothing but its slowness ends an answer within the scope."""


@contextmanager
def answering(*wire: Iterable[bytes], pause_s: float) -> Iterator[str]:
    """The URL of a host that sends these pieces, and pauses after each."""
    bomb = Bomb("", frozenset(), wire=wire, pause_s=pause_s)
    with Minefield([bomb]) as minefield:
        yield minefield.url(bomb)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "for_ever", "pause_s"),
    [
        (HEAD + b"X: ", b"x", 0.05),
        (INTERIM, INTERIM, 0.05),
        (INTERIM, INTERIM, 0),
        (HEAD + b"\r\n", b"x", 0.05),
        (HEAD + b"\r\n" + b"x" * 5000, b"x" * 10, 0.05),
        (CHUNKED, b"1\r\nx\r\n", 0.05),
        (CHUNKED + b"1;", b"extension", 0.05),
    ],
    ids=["head", "interim", "interim, fast", "body", "body, after a start", "chunks", "a chunk's extension"],
)
def test_a_host_that_drips_is_given_up_long_before_the_total_deadline(
    first: bytes, for_ever: bytes, pause_s: float
) -> None:
    with answering([first], Forever(for_ever), pause_s=pause_s) as url:
        assert code_of(lambda: client(limits=DRIPPING).get(url, scope(20))) == "fetch_timeout"


def test_a_slow_host_that_goes_on_steadily_is_read_to_the_end() -> None:
    patient = client(limits=replace(DRIPPING, read_timeout_s=2))
    with answering([b"", HEAD + b"\r\n"], Pieces(b"x" * 12_000, 3000), pause_s=0.7) as url:
        assert len(patient.get(url, scope()).body) == 12_000


def test_a_short_answer_may_come_slowly(origin: Origin) -> None:
    url = origin.on("/short", Reply(raw=b"words", drip_s=0.002))
    assert client(limits=DRIPPING).get(url, scope()).body == b"words"


@pytest.mark.parametrize("reply", [Reply(delay_s=30), Reply(drip_s=0.1)])
def test_the_scope_ends_a_call_at_its_deadline(origin: Origin, reply: Reply) -> None:
    url = origin.on("/slow", reply)
    patient = client(limits=HttpLimits(read_timeout_s=30))
    started = time.monotonic()
    assert code_of(lambda: patient.get(url, scope(0.7))) == "stage_timeout"
    assert time.monotonic() - started < 1.7


@pytest.mark.parametrize("reply", [Reply(delay_s=30), Reply(drip_s=0.05)])
def test_a_cancelled_call_ends_within_a_second(origin: Origin, reply: Reply) -> None:
    url = origin.on("/cancelled", reply)
    token = CancelToken()
    threading.Timer(0.3, token.cancel).start()
    started = time.monotonic()
    with pytest.raises(Cancelled):
        client(limits=HttpLimits(read_timeout_s=30)).get(url, scope(token=token))
    assert time.monotonic() - started < 1.3


def test_redirects_are_followed_and_recorded(origin: Origin) -> None:
    first = origin.on("/1", Reply(status=301, headers={"Location": "two words/ü".encode().decode("latin-1")}))
    origin.on("/two%20words/%C3%BC", Reply(status=307, headers={"Location": origin.url("/3") + "#part"}))
    origin.on("/3", Reply(body="there"))
    fetched = client().get(first, scope())
    assert fetched.body == b"there"
    assert fetched.url == origin.url("/3")
    assert fetched.redirects == (first, origin.url("/two%20words/%C3%BC"))


@pytest.mark.parametrize(
    ("statuses", "for_good"), [((), True), ((301, 308), True), ((301, 302), False), ((307, 301), False)]
)
def test_an_answer_tells_whether_it_moved_for_good(origin: Origin, statuses: tuple[int, ...], for_good: bool) -> None:
    for number, status in enumerate(statuses):
        origin.on(f"/hop{number}", Reply(status, headers={"Location": f"/hop{number + 1}"}))
    origin.on(f"/hop{len(statuses)}", Reply())
    fetched = client().get(origin.url("/hop0"), scope())
    assert (len(fetched.redirects), fetched.is_moved_for_good) == (len(statuses), for_good)


def test_validators_are_sent_to_their_own_url_only(origin: Origin) -> None:
    origin.on("/from", Reply(301, headers={"Location": "/to"}))
    url = origin.on("/to", Reply(304, body="", headers={"ETag": '"1"'}))
    asked = Validators(url, {"If-None-Match": '"1"'})
    fetched = client().get(origin.url("/from"), scope(), asked)
    assert (fetched.status, fetched.url, fetched.body) == (304, url, b"")
    assert "if-none-match" not in origin.requests("/from")[-1].headers
    assert origin.requests("/to")[-1].headers["if-none-match"] == '"1"'


def test_cookies_last_for_one_call(origin: Origin) -> None:
    url = origin.on("/door", Reply(status=302, headers={"Location": "/hall", "Set-Cookie": "seen=1; Path=/"}))
    guarded = client()
    guarded.get(url, scope())
    guarded.get(origin.on("/again", Reply()), scope())
    assert origin.requests("/hall")[-1].headers["cookie"] == "seen=1"
    assert "cookie" not in origin.requests("/again")[-1].headers


def test_redirects_end(origin: Origin) -> None:
    url = origin.on("/loop", Reply(status=302, headers={"Location": "/loop"}))
    assert code_of(lambda: client().get(url, scope())) == "too_many_redirects"
    assert origin.hits("/loop") == 6


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://10.0.0.1/", "blocked_address"),
        ("http://[::1]/", "blocked_address"),
        ("ftp://example.org/", "unsupported_scheme"),
        ("file:///etc/passwd", "unsupported_scheme"),
        ("javascript:alert(1)", "unsupported_scheme"),
        ("http://user:secret@127.0.0.1/", "invalid_url"),
        ("http://[::1/", "invalid_url"),
        ("http://127.0.0.1:99999/", "invalid_url"),
    ],
)
def test_every_redirect_is_checked(origin: Origin, location: str, code: str) -> None:
    url = origin.on("/away", Reply(status=302, headers={"Location": location}))
    assert code_of(lambda: client().get(url, scope())) == code
    assert origin.hits("/away") == 1


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"],
)
def test_loopback_is_refused_in_every_spelling(origin: Origin, host: str) -> None:
    origin.on("/inner", Reply())
    url = f"http://{host}:{origin.port}/inner"
    assert code_of(lambda: client(allow_networks=[]).get(url, scope())) == "blocked_address"
    assert origin.hits("/inner") == 0


def test_a_name_is_judged_by_all_of_its_addresses(origin: Origin) -> None:
    url = f"http://rebind.test:{origin.port}/inner"
    mixed = client(allow_networks=[], resolve=resolving_to("1.1.1.1", "127.0.0.1"))
    assert code_of(lambda: mixed.get(url, scope())) == "blocked_address"


def test_a_name_is_resolved_once_and_that_address_is_dialled(origin: Origin) -> None:
    origin.on("/named", Reply())
    answers = iter([(ip_address("127.0.0.1"),), (ip_address("10.0.0.1"),)])
    url = f"http://rebind.test:{origin.port}/named"
    assert client(resolve=lambda _host, _port: next(answers)).get(url, scope()).status == 200
    assert origin.requests("/named")[-1].headers["host"] == f"rebind.test:{origin.port}"


def test_other_ports_of_public_addresses_are_refused() -> None:
    somewhere = client(resolve=resolving_to("1.1.1.1"))
    assert code_of(lambda: somewhere.get("http://example.org:25/", scope())) == "blocked_port"


def test_the_next_address_is_tried_when_one_does_not_answer(origin: Origin) -> None:
    origin.on("/second", Reply())
    url = f"http://two.test:{origin.port}/second"
    both = client(resolve=resolving_to("127.0.0.9", "127.0.0.1"))
    assert both.get(url, scope()).status == 200


def test_an_unknown_name_is_a_dns_failure() -> None:
    def unknown(_host: str, _port: int) -> tuple[Address, ...]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    assert code_of(lambda: client(resolve=unknown).get("http://nowhere.test/", scope())) == "dns_failure"
    assert code_of(lambda: client(resolve=resolving_to()).get("http://nowhere.test/", scope())) == "dns_failure"


def test_a_hanging_resolver_does_not_hang_the_call() -> None:
    released = threading.Event()

    def hang(_host: str, _port: int) -> tuple[Address, ...]:
        released.wait(20)
        return ()

    started = time.monotonic()
    assert code_of(lambda: client(resolve=hang).get("http://nowhere.test/", scope())) == "fetch_timeout"
    assert time.monotonic() - started < 2
    released.set()


def test_a_refused_connection_is_tried_twice() -> None:
    calls: list[str] = []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))

        def count(host: str, _port: int) -> tuple[Address, ...]:
            calls.append(host)
            return (ip_address("127.0.0.1"),)

        url = f"http://closed.test:{taken.getsockname()[1]}/"
        assert code_of(lambda: client(resolve=count).get(url, scope())) == "connect_failed"
    assert len(calls) == 2


def test_the_environments_proxy_is_not_used(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, origin.url(""))
    assert code_of(lambda: client(allow_networks=[]).get("http://10.0.0.1/proxied", scope())) == "blocked_address"
    assert origin.hits("/proxied") == 0


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "invalid_url"),
        ("example.org", "invalid_url"),
        ("http://", "invalid_url"),
        ("http:///x", "invalid_url"),
        ("http://a b/", "invalid_url"),
        ("http://exa\x00mple.org/", "invalid_url"),
        ("http://example.org/\r\nX: y", "invalid_url"),
        ("http://xn--a/", "invalid_url"),
        ("http://0177.0.0.1/", "invalid_url"),
        ("http://" + "a" * 64 + ".org/", "invalid_url"),
        ("http://..../", "invalid_url"),
        ("http://\ud800/", "invalid_url"),
        ("ftp://example.org/", "unsupported_scheme"),
        ("javascript:alert(1)", "unsupported_scheme"),
    ],
)
def test_unreadable_urls(url: str, code: str) -> None:
    assert code_of(lambda: client().get(url, scope())) == code


def test_fetch_makes_a_page_of_what_a_real_server_sends(origin: Origin) -> None:
    start = origin.on("/moved", Reply(status=302, headers={"Location": "/russian"}))
    text = "<p>Река медленно поднималась, и сторож открыл затвор плотины раньше обычного.</p>"
    wrong = Reply(body=text, charset="cp1251", content_type="text/html; charset=utf-8", encoding="gzip")
    final = origin.on("/russian", wrong)
    page = fetch.run(Source(url=start), make_tools(http=client(), clock=CLOCK))
    assert (page.text, page.charset, page.url, page.redirects) == (text, "cp1251", final, (start,))
    assert page.decoded_bytes == len(text)


def test_fetch_waits_as_a_real_server_asks(origin: Origin) -> None:
    url = origin.on("/busy", Reply(status=429, headers={"Retry-After": "3"}))
    with pytest.raises(Postponed, match="http_rate_limited") as caught:
        fetch.run(Source(url=url), make_tools(http=client(), clock=CLOCK))
    assert caught.value.delay_s == 3


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="module")
def secure_origin(authority: trustme.CA) -> Iterator[Origin]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("secure.test").configure_cert(context)
    with Origin(tls=context) as server:
        yield server


def test_tls_is_verified_against_the_name_in_the_url(secure_origin: Origin, ca_file: str) -> None:
    over_tls = client(ca_file=ca_file, resolve=resolving_to("127.0.0.1"))
    fetched = over_tls.get(secure_origin.url("/tls", host="secure.test"), scope())
    assert fetched.body.decode() == PAGE
    assert code_of(lambda: over_tls.get(secure_origin.url("/", host="other.test"), scope())) == "tls_failure"


def test_an_untrusted_certificate_is_refused(secure_origin: Origin) -> None:
    url = secure_origin.url("/", host="secure.test")
    with pytest.raises(Permanent, match=r"tls_failure: .*certificate"):
        client(resolve=resolving_to("127.0.0.1")).get(url, scope())
    assert secure_origin.hits("/") == 0


def test_a_host_that_speaks_no_tls_is_a_tls_failure(origin: Origin) -> None:
    assert code_of(lambda: client().get(f"https://127.0.0.1:{origin.port}/", scope())) == "tls_failure"


def test_a_silent_tls_handshake_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        assert code_of(lambda: client().get(url, scope())) == "fetch_timeout"


# The edge

MISUSE = {
    httpx.HTTPStatusError,  # from raise_for_status, which is not used
    httpx.StreamError,
    httpx.StreamConsumed,
    httpx.StreamClosed,
    httpx.ResponseNotRead,
    httpx.RequestNotRead,
    httpx.HTTPError,  # the root of the tree; never raised itself
}


def exceptions_of(module: object) -> set[type[Exception]]:
    return {kind for _, kind in inspect.getmembers(module, inspect.isclass) if issubclass(kind, Exception)}


@pytest.mark.parametrize("kind", sorted(exceptions_of(httpx) | exceptions_of(httpcore), key=str))
def test_no_error_of_the_libraries_is_unmapped(kind: type[Exception]) -> None:
    assert (kind in MISUSE) != issubclass(kind, tuple(CODE_OF_ERROR))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (httpx.ConnectTimeout("10.0.0.1"), Transient("fetch_timeout")),
        (httpx.RemoteProtocolError("10.0.0.1"), Transient("protocol_error")),
        (httpx.DecodingError("10.0.0.1"), Transient("protocol_error")),
        (httpcore.ReadError("10.0.0.1"), Transient("protocol_error")),
        (httpcore.PoolTimeout(), Transient("fetch_timeout")),
        (httpcore.LocalProtocolError(), Permanent("invalid_url")),
        (OSError("10.0.0.1"), Transient("connect_failed")),
        (UnicodeError(), Permanent("invalid_url")),
    ],
)
def test_errors_are_mapped_without_their_text(error: Exception, expected: StageError) -> None:
    assert (type(explain(error)), str(explain(error))) == (type(expected), str(expected))
