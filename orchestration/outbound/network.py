"""The one place where connections are made: resolve once, check every address, dial what was checked.

All waiting happens in slices of half a second at most, between which the attempt's scope is checked. So a
cancellation or the deadline ends a call whatever its server does: not answering, or dripping bytes for ever.
"""

import select
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from ipaddress import IPv6Address, ip_address
from math import inf
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

import certifi
import httpcore

from orchestration.outbound.guard import Address
from orchestration.outbound.patience import Patience
from stages.contract import Permanent, Scope, StageError, Transient

T = TypeVar("T")
Resolve = Callable[[str, int], Sequence[Address]]
Admit = Callable[[str, Sequence[Address], int], None]

SLICE_S = 0.5
KEEPALIVE = (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def resolve(host: str, port: int) -> Sequence[Address]:
    """All addresses of a host, from the system's resolver. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(ip_address(sockaddr[0]) for *_, sockaddr in found))


@cache
def tls_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Verifies against the system's and certifi's authorities, and those in `ca_file`."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


@dataclass(frozen=True, slots=True)
class Pace:
    """How long one call may wait: within the attempt's scope, and until its own deadline."""

    scope: Scope
    deadline: float
    """On the scope's monotonic clock."""
    patience: Patience | None = None
    """Ends it sooner where what is awaited now is overdue."""

    def check(self, expired: type[Exception]) -> None:
        """Raise what the scope says, or `expired` once the call's own deadline is over."""
        self.scope.check()
        if self.left_s() <= 0:
            raise expired("The call took too long.")

    def left_s(self) -> float:
        return self.deadline - self.scope.clock.monotonic()

    def until(self, timeout_s: float | None) -> "Pace":
        """The same, but ending after `timeout_s`, or when patience ends, if that comes first."""
        end = inf if timeout_s is None else self.scope.clock.monotonic() + timeout_s
        overdue_at = inf if self.patience is None else self.patience.deadline
        return replace(self, deadline=min(end, overdue_at, self.deadline))

    def slice_s(self) -> float:
        return max(0.0, min(SLICE_S, self.left_s(), self.scope.remaining_s()))


class PacedBackend(httpcore.NetworkBackend):
    """Opens connections for one call.

    `admit(host, addresses, port)` decides on a host by all of its addresses, and raises to refuse it. Errors are
    `StageError` with `dns_failure`, `tls_failure` or what `admit` raises, or else httpcore's own.
    """

    def __init__(self, pace: Pace, admit: Admit, resolve: Resolve = resolve) -> None:
        self._pace = pace
        self._admit = admit
        self._resolve = resolve

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002  # the interface's
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        pace = self._pace.until(timeout)
        addresses = self._look_up(host, port, pace)
        self._admit(host, addresses, port)
        return PacedStream(_dial(addresses, port, pace, socket_options or ()), self._pace)

    def connect_unix_socket(self, *_args: Any, **_options: Any) -> httpcore.NetworkStream:
        raise Permanent("blocked_address")

    def sleep(self, seconds: float) -> None:
        self._pace.scope.wait(seconds)

    def _look_up(self, host: str, port: int, pace: Pace) -> Sequence[Address]:
        """Resolve in a thread of its own, which is left behind if the resolver hangs."""
        answer: SimpleQueue[Sequence[Address] | StageError] = SimpleQueue()
        Thread(target=lambda: answer.put(self._resolved(host, port)), daemon=True, name="resolve").start()
        while True:
            pace.check(httpcore.ConnectTimeout)
            try:
                found = answer.get(timeout=pace.slice_s())
            except Empty:
                continue
            if isinstance(found, StageError):
                raise found
            return found

    def _resolved(self, host: str, port: int) -> Sequence[Address] | StageError:
        try:
            return self._resolve(host, port) or Transient("dns_failure")
        except OSError:
            return Transient("dns_failure")
        except ValueError:  # UnicodeError: not a host name
            return Permanent("invalid_url")


def _dial(addresses: Sequence[Address], port: int, pace: Pace, options: Iterable[Any]) -> socket.socket:
    """Connect to the first address that answers; each gets an even share of the time that is left."""
    failure: Exception | None = None
    for untried, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        try:
            return _dial_one(address, port, pace.until(pace.left_s() / untried), options)
        except (OSError, httpcore.ConnectTimeout) as error:
            failure = error
    if isinstance(failure, httpcore.ConnectTimeout):
        raise failure
    raise httpcore.ConnectError("No connection could be made.") from failure


def _dial_one(address: Address, port: int, pace: Pace, options: Iterable[Any]) -> socket.socket:
    family = socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        for option in ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), KEEPALIVE, *options):
            sock.setsockopt(*option)
        _connect(sock, (str(address), port), pace)
    except BaseException:
        sock.close()
        raise
    return sock


def _connect(sock: socket.socket, target: tuple[str, int], pace: Pace) -> None:
    try:
        sock.connect(target)
    except BlockingIOError:
        _await(sock, select.POLLOUT, pace, httpcore.ConnectTimeout)
    if error := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(error, "connect failed")


def _await(sock: socket.socket, event: int, pace: Pace, expired: type[Exception]) -> None:
    """Wait until a socket is ready, in slices."""
    poll = select.poll()
    poll.register(sock, event)
    while not poll.poll(pace.slice_s() * 1000):
        pace.check(expired)


def _patiently(operation: Callable[[], T], sock: socket.socket, event: int, pace: Pace, expired: type[Exception]) -> T:
    """Repeat a non-blocking operation until it has something to say."""
    while True:
        pace.check(expired)
        try:
            return operation()
        except ssl.SSLWantReadError:
            _await(sock, select.POLLIN, pace, expired)
        except ssl.SSLWantWriteError:
            _await(sock, select.POLLOUT, pace, expired)
        except BlockingIOError:
            _await(sock, event, pace, expired)


class PacedStream(httpcore.NetworkStream):
    """A connection whose reads and writes keep an eye on the attempt."""

    def __init__(self, sock: socket.socket, pace: Pace) -> None:
        self._sock = sock
        self._pace = pace

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        pace = self._pace.until(timeout)
        try:
            return _patiently(lambda: self._sock.recv(max_bytes), self._sock, select.POLLIN, pace, httpcore.ReadTimeout)
        except OSError as error:
            raise httpcore.ReadError("The connection was lost.") from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        rest = memoryview(buffer)
        try:
            while rest:
                pace = self._pace.until(timeout)
                rest = rest[self._send(rest, pace) :]
        except OSError as error:
            raise httpcore.WriteError("The connection was lost.") from error

    def _send(self, data: memoryview, pace: Pace) -> int:
        return _patiently(lambda: self._sock.send(data), self._sock, select.POLLOUT, pace, httpcore.WriteTimeout)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        pace = self._pace.until(timeout)
        try:
            sock = ssl_context.wrap_socket(self._sock, server_hostname=server_hostname, do_handshake_on_connect=False)
            self._sock = sock
            _patiently(sock.do_handshake, sock, select.POLLIN, pace, httpcore.ConnectTimeout)
        except BaseException as error:
            self.close()
            raise _handshake_failure(error) from error
        return PacedStream(sock, self._pace)

    def close(self) -> None:
        self._sock.close()

    def get_extra_info(self, info: str) -> object:
        if info == "is_readable":
            return _is_readable(self._sock)
        return self._sock if info == "socket" else None


def _handshake_failure(error: BaseException) -> BaseException:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Permanent("tls_failure", f"The host's TLS certificate is not valid ({error.verify_message}).")
    if isinstance(error, (ssl.SSLError, ssl.CertificateError, ValueError)):
        return Permanent("tls_failure")
    if isinstance(error, OSError):
        return httpcore.ConnectError("The connection was lost during the TLS handshake.")
    return error


def _is_readable(sock: socket.socket) -> bool:
    if sock.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
