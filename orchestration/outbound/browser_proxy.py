"""The only way out for a browser: a proxy on loopback, for one page, that dials through the guard.

The browser resolves no names and opens no connections of its own. Each connection carries one request, or one tunnel
(TLS, WebSocket): a second request could be meant for another host. Other programs of this machine can reach the proxy,
too, so it serves only who has its password.
"""

import contextlib
import re
import select
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from hmac import compare_digest
from secrets import token_urlsafe
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpcore

from orchestration.outbound.guard import AddressRules
from orchestration.outbound.http import CODE_OF_ERROR, explain
from orchestration.outbound.network import Pace, PacedBackend, Resolve, resolve
from stages.contract import Permanent, StageError

if TYPE_CHECKING:
    from playwright.sync_api import ProxySettings

MAX_HEAD_BYTES = 64 * 1024
CHUNK_BYTES = 64 * 1024
CONNECT_TIMEOUT_S = 10.0
SLICE_S = 0.25
USER = "browser"
PASSWORD_BYTES = 32
WHO_ARE_YOU = (
    b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="page"\r\n'
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)
_HOP_HEADERS = re.compile(
    rb"^(?:connection|proxy-[a-z-]+|keep-alive|upgrade|te):[^\n]*\n", re.IGNORECASE | re.MULTILINE
)
_LENGTH = re.compile(rb"^content-length:[ \t]*([0-9]{1,15})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_CHUNKED = re.compile(rb"^transfer-encoding:", re.IGNORECASE | re.MULTILINE)
_CREDENTIALS = re.compile(
    rb"^proxy-authorization:[ \t]*basic[ \t]+([A-Za-z0-9+/=]+)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE
)
_TUNNEL = re.compile(r"CONNECT (\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+):([0-9]{1,5}) HTTP/1\.[01]")


@dataclass(frozen=True, slots=True)
class ProxyLimits:
    """What one page may use."""

    max_bytes: int
    """In both directions, of all its requests."""
    max_requests: int


@dataclass
class Traffic:
    """What went through, and what was refused."""

    limits: ProxyLimits
    received_bytes: int = 0
    requests: int = 0
    refused: dict[tuple[str, int], StageError] = field(default_factory=dict)
    """By host and port: why the last connection there came to nothing."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    is_over: threading.Event = field(default_factory=threading.Event)

    @property
    def is_too_much(self) -> bool:
        return self.received_bytes > self.limits.max_bytes or self.requests > self.limits.max_requests

    def count(self, *, requests: int = 0, received_bytes: int = 0) -> bool:
        """Returns whether the page may go on."""
        with self.lock:
            self.requests += requests
            self.received_bytes += received_bytes
            return not self.is_too_much and not self.is_over.is_set()


class GuardedProxy:
    """Listens on loopback while the block runs; `access` is where, and with which password."""

    def __init__(self, rules: AddressRules, pace: Pace, limits: ProxyLimits, resolve: Resolve = resolve) -> None:
        self.traffic = Traffic(limits)
        self.backend = PacedBackend(pace, rules.require, resolve)
        self.pace = pace
        self._password = token_urlsafe(PASSWORD_BYTES)
        self._server = _Server(("127.0.0.1", 0), _Connection)
        self._server.proxy = self

    @property
    def access(self) -> "ProxySettings":
        """What a browser needs to know, in Playwright's terms."""
        host, port = self._server.server_address[:2]
        return {"server": f"http://{host!s}:{port}", "username": USER, "password": self._password}

    def serves(self, head: bytes) -> bool:
        """Whether a request comes from the browser that the proxy was made for."""
        given = _CREDENTIALS.search(head)
        return given is not None and compare_digest(given[1], b64encode(f"{USER}:{self._password}".encode()))

    @contextmanager
    def open(self) -> Iterator["GuardedProxy"]:
        serving = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="browser-proxy", daemon=True)
        serving.start()
        try:
            yield self
        finally:
            self.traffic.is_over.set()
            self._server.shutdown()
            self._server.server_close()

    def dial(self, host: str, port: int) -> socket.socket:
        """A connection to a host. Raises `StageError`."""
        try:
            stream = self.backend.connect_tcp(host, port, CONNECT_TIMEOUT_S)
        except StageError as error:
            self.traffic.refused[host.lower(), port] = error
            raise
        except tuple(CODE_OF_ERROR) as error:
            self.traffic.refused[host.lower(), port] = explain(error)
            raise self.traffic.refused[host.lower(), port] from error
        sock: socket.socket = stream.get_extra_info("socket")
        return sock


class _Server(ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    proxy: GuardedProxy

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that hangs up is nothing to report."""


class _Connection(StreamRequestHandler):
    server: _Server
    timeout = CONNECT_TIMEOUT_S

    def handle(self) -> None:
        proxy = self.server.proxy
        head = self._head()
        if head is None:
            return
        if not proxy.serves(head):
            with contextlib.suppress(OSError):
                self.wfile.write(WHO_ARE_YOU)
            return
        if not proxy.traffic.count(requests=1):
            return
        # What is refused, or broken off, ends without an answer: to the page it is a host that cannot be reached.
        with contextlib.suppress(StageError, OSError):
            self._serve(proxy, head)

    def _serve(self, proxy: GuardedProxy, head: bytes) -> None:
        tunnel = _TUNNEL.match(head.decode("latin-1"))
        if tunnel is not None:
            with closing(proxy.dial(tunnel[1].strip("[]"), int(tunnel[2]))) as host:
                self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
                _relay(self.connection, host, proxy, to_host=None)
            return
        target, outgoing, body_bytes = _plain_request(head)
        with closing(proxy.dial(*target)) as host:
            _send(host, outgoing, proxy)
            _relay(self.connection, host, proxy, to_host=body_bytes)

    def _head(self) -> bytes | None:
        """Up to the empty line; nothing of what follows is read, as it belongs to the relay."""
        self.rfile = self.connection.makefile("rb", 0)
        head = bytearray()
        while not head.endswith(b"\r\n\r\n"):
            byte = self.rfile.read(1)
            if not byte or len(head) >= MAX_HEAD_BYTES:
                return None
            head += byte
        return bytes(head)


def _plain_request(head: bytes) -> tuple[tuple[str, int], bytes, int]:
    """Where a request goes, how it is sent on, and how much follows of it. Raises `Permanent`."""
    line, _, rest = head.partition(b"\r\n")
    words = line.decode("latin-1").split(" ")
    try:
        method, url, _version = words
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError:
        raise Permanent("invalid_url") from None
    if parts.scheme != "http" or not parts.hostname or "@" in parts.netloc:
        raise Permanent("unsupported_scheme")
    if _CHUNKED.search(rest):
        raise Permanent("http_client_error", "The page sends what has no stated length.")
    length = _LENGTH.search(rest)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kept = _HOP_HEADERS.sub(b"", rest)
    outgoing = f"{method} {path} HTTP/1.1\r\nConnection: close\r\n".encode("latin-1") + kept
    return (parts.hostname, port), outgoing, int(length[1]) if length else 0


def _relay(browser: socket.socket, host: socket.socket, proxy: GuardedProxy, *, to_host: int | None) -> None:
    """Copy both ways until one side ends. `to_host` is how much the browser may still send; None for a tunnel."""
    poll = select.poll()
    for sock in (browser, host):
        sock.setblocking(False)
        poll.register(sock, select.POLLIN)
    answered = to_host is None
    while proxy.traffic.count():
        proxy.pace.scope.check()
        ready = {number for number, _ in poll.poll(SLICE_S * 1000)}
        if host.fileno() in ready:
            data = _received(host)
            if not data or not proxy.traffic.count(received_bytes=len(data)):
                return
            if not answered:
                data, answered = _closing(data), True
            _send(browser, data, proxy)
        if browser.fileno() in ready:
            data = _received(browser)
            if not data or (to_host is not None and len(data) > to_host):
                return
            to_host = None if to_host is None else to_host - len(data)
            _send(host, data, proxy)


def _closing(data: bytes) -> bytes:
    """The beginning of an answer, saying that its connection ends with it: the browser must not use it again."""
    line, mark, rest = data.partition(b"\r\n")
    head, end, body = rest.partition(b"\r\n\r\n")
    return b"".join((line, mark, b"Connection: close\r\n", _HOP_HEADERS.sub(b"", head + b"\r\n")[:-2], end, body))


def _received(sock: socket.socket) -> bytes:
    try:
        return sock.recv(CHUNK_BYTES)
    except OSError:
        return b""


def _send(sock: socket.socket, data: bytes, proxy: GuardedProxy) -> None:
    sock.setblocking(False)
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    rest = memoryview(data)
    while rest and proxy.traffic.count():
        proxy.pace.check(httpcore.WriteTimeout)
        if poll.poll(SLICE_S * 1000):
            rest = rest[sock.send(rest) :]
