"""A web server on loopback that answers each path as it is told, and counts.

In a test's own process:

    with Origin() as origin:
        origin.on("/page", Reply(status=503), Reply(body="<p>better</p>"))   # in turn; the last one stays
        fetch(origin.url("/page"))
        assert origin.hits("/page") == 1

In a process of its own, `python -m tests.support.origin [--port 0]` prints its base URL; `RemoteOrigin(url)` then has
the same `on`, `url`, `hits` and `requests`.
"""

import argparse
import base64
import gzip
import json
import ssl
import threading
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

PAGE = "<!doctype html><html><head><title>A page</title></head><body><p>Some words to read.</p></body></html>"


@dataclass(frozen=True)
class Reply:
    """What one request gets."""

    status: int = 200
    body: str = PAGE
    charset: str = "utf-8"
    """Of the bytes, whatever `content_type` claims."""
    raw: bytes | None = None
    """Sent instead of `body`, as it is."""
    repeat: int = 1
    """The body is this many copies of itself, made while sending."""
    content_type: str | None = "text/html; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    encoding: str | None = None
    """`gzip`, `deflate` or `raw-deflate`; any other name is only announced."""
    delay_s: float = 0.0
    """Before the first byte of the answer."""
    drip_s: float = 0.0
    """Before every further byte of the answer, head included."""
    pause_s: float = 0.0
    """Before every further paragraph of the body: an event of a stream."""
    cut_at: int | None = None
    """Close after this many bytes of the body, though all were announced."""
    close: bool = False
    """Close without any answer."""

    def content(self) -> bytes:
        body = self.body.encode(self.charset) if self.raw is None else self.raw
        return ENCODERS.get(self.encoding or "", bytes)(body)

    def head(self, length: int) -> bytes:
        headers = {"Content-Length": str(length), "Connection": "close"}
        if self.content_type is not None:
            headers["Content-Type"] = self.content_type
        if self.encoding:
            headers["Content-Encoding"] = self.encoding.removeprefix("raw-")
        lines = [f"HTTP/1.1 {self.status} Told so", *(f"{k}: {v}" for k, v in (headers | self.headers).items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _raw_deflate(body: bytes) -> bytes:
    return zlib.compress(body, wbits=-15)


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "raw-deflate": _raw_deflate,
}


@dataclass(frozen=True)
class Seen:
    """A request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: str


class Origin:
    """The server, in a thread. Unknown paths get `default`."""

    def __init__(
        self, *, port: int = 0, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, default: Reply | None = None
    ) -> None:
        self._replies: dict[str, list[Reply]] = {}
        self._default = default or Reply()
        self._hits: Counter[str] = Counter()
        self._requests: list[Seen] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = _Server((host, port), _handler(self))
        self._scheme = "http"
        if tls is not None:
            self._scheme = "https"
            self._server.tls = tls

    def on(self, path: str, *replies: Reply) -> str:
        """Set the replies of a path, forget its hits, and return its URL."""
        with self._lock:
            self._replies[path] = list(replies)
            self._hits[path] = 0
        return self.url(path)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{self._scheme}://{host}:{self.port}{path}"

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def hits(self, path: str) -> int:
        with self._lock:
            return self._hits[path]

    def all_hits(self) -> int:
        with self._lock:
            return len(self._requests)

    def requests(self, path: str) -> list[Seen]:
        with self._lock:
            return [seen for seen in self._requests if seen.path == path]

    def next_reply(self, seen: Seen) -> Reply:
        with self._lock:
            self._requests.append(seen)
            self._hits[seen.path] += 1
            replies = self._replies.get(seen.path) or [self._default]
            return replies[min(self._hits[seen.path], len(replies)) - 1]

    def pause(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise ConnectionAbortedError

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve, daemon=True, name="origin").start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    tls: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the request's own thread, so that a client that does not cannot stop the server."""
        try:
            if self.tls is None:
                super().finish_request(request, client_address)
                return
            with self.tls.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)
        except OSError:
            return  # clients that hang up are what many tests are about


def _handler(origin: Origin) -> type[BaseHTTPRequestHandler]:  # noqa: C901  # a class, not a function
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            path = urlsplit(self.path).path
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length).decode()
            self.close_connection = True
            if path.startswith("/_"):
                self._send(Reply(body=_control(origin, path, body), content_type="application/json"))
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = origin.next_reply(Seen(self.command, path, headers, body))
            origin.pause(reply.delay_s)
            if not reply.close:
                self._send(reply)

        do_GET = do_POST = do_PUT = do_HEAD = _serve  # noqa: N815  # http.server wants these names

        def _send(self, reply: Reply) -> None:
            content = reply.content()
            head = reply.head(len(content) * reply.repeat)
            if reply.drip_s:
                for byte in head + content:
                    self.wfile.write(bytes([byte]))
                    origin.pause(reply.drip_s)
                return
            self.wfile.write(head)
            if reply.pause_s:
                for paragraph in content.split(b"\n\n"):
                    self.wfile.write(paragraph + b"\n\n")
                    origin.pause(reply.pause_s)
                return
            for _ in range(reply.repeat):
                self.wfile.write(content if reply.cut_at is None else content[: reply.cut_at])

        def log_message(self, *_: object) -> None:
            return

    return Handler


def _control(origin: Origin, path: str, body: str) -> str:
    """`PUT /_on {path, replies}`, `PUT /_requests {path}`, `PUT /_hits {path}`."""
    asked = json.loads(body)
    if path == "/_on":
        replies = [_from_json(reply) for reply in asked["replies"]]
        return json.dumps(origin.on(asked["path"], *replies))
    if path == "/_requests":
        return json.dumps([asdict(seen) for seen in origin.requests(asked["path"])])
    return json.dumps(origin.hits(asked["path"]))


def _from_json(fields: dict[str, Any]) -> Reply:
    raw = fields.pop("raw")
    return Reply(**fields, raw=None if raw is None else base64.b64decode(raw))


def _to_json(reply: Reply) -> dict[str, Any]:
    raw = None if reply.raw is None else base64.b64encode(reply.raw).decode()
    return asdict(reply) | {"raw": raw}


class RemoteOrigin:
    """Tells an `Origin` in another process what to do."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url.rstrip("/")

    def url(self, path: str) -> str:
        return self._base_url + path

    def on(self, path: str, *replies: Reply) -> str:
        return str(self._ask("/_on", {"path": path, "replies": [_to_json(reply) for reply in replies]}))

    def hits(self, path: str) -> int:
        return int(self._ask("/_hits", {"path": path}))

    def requests(self, path: str) -> list[Seen]:
        return [Seen(**seen) for seen in self._ask("/_requests", {"path": path})]

    def _ask(self, path: str, body: dict[str, Any]) -> Any:
        request = Request(self.url(path), json.dumps(body).encode(), method="PUT")
        with urlopen(request, timeout=10) as answer:
            return json.load(answer)


def main(make: Callable[[int], Origin] = lambda port: Origin(port=port)) -> None:
    """Serve until killed; print the base URL first."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    origin = make(parser.parse_args().port)
    print(origin.url(""), flush=True)
    origin.serve()


if __name__ == "__main__":
    main()
