"""The guarded client for the open web: public addresses only, bounded in time, size and redirects."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urldefrag, urljoin

import httpcore
import httpx
from w3lib.url import safe_url_string

from orchestration.outbound.guard import WEB_PORTS, AddressRules, Allowed
from orchestration.outbound.inflate import ACCEPT_ENCODING, Body
from orchestration.outbound.network import Pace, PacedBackend, Resolve, resolve, tls_context
from orchestration.outbound.patience import Patience
from orchestration.outbound.retrying import once_more
from orchestration.outbound.transport import PoolTransport
from stages.contract import CODES, Fetched, Permanent, Scope, StageError, Transient, Validators
from stages.web import origin_of

MayFollow = Callable[[str, Scope], object]

MIB = 1024 * 1024
ACCEPT = "text/html,application/xhtml+xml,text/markdown;q=0.9,text/plain;q=0.9,application/pdf;q=0.9,*/*;q=0.1"
REDIRECTS = {301, 302, 303, 307, 308}
MOVED_FOR_GOOD = {301, 308}

# The most special class comes first.
CODE_OF_ERROR: dict[type[Exception], str] = {
    httpx.TimeoutException: "fetch_timeout",
    httpx.ConnectError: "connect_failed",
    httpx.ProxyError: "connect_failed",
    httpx.UnsupportedProtocol: "unsupported_scheme",
    httpx.LocalProtocolError: "invalid_url",
    httpx.TooManyRedirects: "too_many_redirects",
    httpx.RequestError: "protocol_error",
    httpx.InvalidURL: "invalid_url",
    httpx.CookieConflict: "protocol_error",
    httpcore.TimeoutException: "fetch_timeout",
    httpcore.ConnectError: "connect_failed",
    httpcore.ConnectionNotAvailable: "connect_failed",
    httpcore.ProxyError: "connect_failed",
    httpcore.UnsupportedProtocol: "unsupported_scheme",
    httpcore.LocalProtocolError: "invalid_url",
    httpcore.NetworkError: "protocol_error",
    httpcore.ProtocolError: "protocol_error",
    UnicodeError: "invalid_url",
    OSError: "connect_failed",
}


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """How long and how large one call may be, redirects included."""

    connect_timeout_s: float = 5.0
    """For one connection: name resolution and TCP; then the same again for TLS."""
    read_timeout_s: float = 10.0
    """From the request to the end of the answer's headers, interim answers (1xx) included; then for each further piece
    of the body, which is what comes in this time at the least rate. So it is the longest silence of the host, too."""
    least_bytes_per_s: float = 1024.0
    """Of a body, as transferred, averaged over `read_timeout_s`."""
    total_timeout_s: float = 45.0
    max_redirects: int = 5
    max_wire_bytes: int = 10 * MIB
    max_decoded_bytes: int = 20 * MIB
    cut_at_bytes: int | None = None
    """Read no more of a body than about this much, and take it for all of it; default none."""
    max_headers: int = 256
    """Of one answer. Their size is limited by httpcore: 100 KiB, status line included."""


@dataclass(frozen=True, slots=True)
class _Walk:
    """How far a call has come: the URL to ask now, and those that led there."""

    url: str
    visited: tuple[str, ...] = ()
    is_moved_for_good: bool = True

    def on_to(self, url: str, status: int) -> "_Walk":
        return _Walk(url, (*self.visited, self.url), self.is_moved_for_good and status in MOVED_FOR_GOOD)


@dataclass(frozen=True, slots=True)
class _Visit:
    """What all hops of one call have in common."""

    transport: PoolTransport
    patience: Patience
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)
    """Some hosts redirect for ever without theirs."""


class GuardedHttp:
    """Implements `stages.contract.Http`.

    - `user_agent`: sent with every request.
    - `allow_networks`: networks and names of hosts that are reachable although not public, on any port; default none.
    - `allow_ports`: of public addresses; default 80 and 443.
    - `ca_file`: PEM file of further certificate authorities; default none.
    - `resolve`: `(host, port) -> addresses`, raising OSError; default the system's resolver.
    - `may_follow`: asked about each URL that an answer redirects to; raises to refuse it. Default: all of them.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        limits: HttpLimits | None = None,
        allow_networks: Sequence[Allowed] = (),
        allow_ports: frozenset[int] = WEB_PORTS,
        ca_file: str | None = None,
        resolve: Resolve = resolve,
        may_follow: MayFollow = lambda _url, _scope: None,
    ) -> None:
        self._limits = limits or HttpLimits()
        self._may_follow = may_follow
        self._rules = AddressRules(tuple(allow_networks), allow_ports)
        self._headers = {
            "User-Agent": user_agent,
            "Accept": ACCEPT,
            "Accept-Encoding": ACCEPT_ENCODING,
        }
        self._timeout = httpx.Timeout(self._limits.read_timeout_s, connect=self._limits.connect_timeout_s)
        self._ca_file = ca_file
        self._resolve = resolve

    def get(self, url: str, scope: Scope, validators: Validators | None = None) -> Fetched:
        """GET a URL, following redirects by hand so that every hop is checked.

        Validators are sent to their own URL only: elsewhere the same tag may mean another page.

        Raises `StageError` with one of the fetch codes. HTTP error statuses are answers, not errors; their bodies
        are not read.
        """
        try:
            return self._get(url, scope, validators)
        except tuple(CODE_OF_ERROR) as error:
            raise explain(error) from error

    def _get(self, url: str, scope: Scope, validators: Validators | None) -> Fetched:
        walk = _Walk(url)
        patience = Patience(scope.clock, self._limits.read_timeout_s, self._limits.least_bytes_per_s)
        with PoolTransport(self._pool(scope, patience)) as transport:
            visit = _Visit(transport, patience)
            while len(walk.visited) <= self._limits.max_redirects:
                hop = partial(self._hop, visit, walk, validators)
                answer = once_more(hop, scope, _is_connection_error)
                if isinstance(answer, Fetched):
                    return answer
                walk = answer
                self._may_follow(walk.url, scope)
        raise Permanent("too_many_redirects")

    def _pool(self, scope: Scope, patience: Patience) -> httpcore.ConnectionPool:
        pace = Pace(scope, scope.clock.monotonic() + self._limits.total_timeout_s, patience)
        backend = PacedBackend(pace, self._rules.require, self._resolve)
        return httpcore.ConnectionPool(ssl_context=tls_context(self._ca_file), network_backend=backend)

    def _hop(self, visit: _Visit, walk: _Walk, validators: Validators | None) -> Fetched | _Walk:
        """One request: the answer, or on to where it redirects to."""
        extra = validators.headers if validators is not None and validators.url == walk.url else {}
        with closing(self._send(visit, walk.url, extra)) as response:
            if len(response.headers.raw) > self._limits.max_headers:
                raise Permanent("too_large", "The host's answer has more headers than the limit.")
            status, location = response.status_code, response.headers.get("location")
            if status in REDIRECTS and location:
                return walk.on_to(_target(walk.url, location), status)
            body, wire_bytes = self._read(response, visit.patience) if response.is_success else (b"", 0)
            headers = dict(response.headers)
            return Fetched(walk.url, status, headers, body, wire_bytes, walk.visited, walk.is_moved_for_good)

    def _send(self, visit: _Visit, url: str, extra: Mapping[str, str]) -> httpx.Response:
        """Not through httpx.Client, which reads Location before it can be checked."""
        headers = {**self._headers, **extra}
        extensions = {"timeout": self._timeout.as_dict(), "trace": visit.patience.notice}
        request = httpx.Request("GET", _checked(url), headers=headers, extensions=extensions)
        visit.cookies.set_cookie_header(request)
        response = visit.transport.handle_request(request)
        response.request = request
        visit.cookies.extract_cookies(response)
        return response

    def _read(self, response: httpx.Response, patience: Patience) -> tuple[bytes, int]:
        body = Body(
            response.headers.get("content-encoding", ""),
            max_wire_bytes=self._limits.max_wire_bytes,
            max_decoded_bytes=self._limits.max_decoded_bytes,
        )
        for data in response.iter_raw():
            patience.count(len(data))
            body.feed(data)
            if self._limits.cut_at_bytes is not None and body.decoded_bytes >= self._limits.cut_at_bytes:
                return body.so_far(), body.wire_bytes
        return body.finish(), body.wire_bytes


def _checked(url: str) -> httpx.URL:
    origin_of(url)
    return httpx.URL(url)


def _target(url: str, location: str) -> str:
    """Where a Location header points, repaired as browsers do it.

    >>> _target("https://example.org/a/b?q", "../c d#e")
    'https://example.org/c%20d'
    """
    try:
        return urldefrag(urljoin(url, safe_url_string(location))).url
    except ValueError:
        raise Permanent("invalid_url", "The host redirects to a URL that cannot be read.") from None


def explain(error: Exception) -> StageError:
    """The error of our own tree for one of httpx, httpcore or the system. Says nothing of addresses."""
    code = next(code for kind, code in CODE_OF_ERROR.items() if isinstance(error, kind))
    return Transient(code) if CODES[code].retry_helps else Permanent(code)


def _is_connection_error(error: BaseException) -> bool:
    return isinstance(error, httpcore.ConnectError)
