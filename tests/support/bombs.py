"""What hostile servers send: a table of answers, and a server that gives them, each at its own path."""

import contextlib
import gzip
import socket
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from tests.support import pdfs

MIB = 2**20
PROSE = "<p>The river rose slowly, and the keeper opened the gate of the weir earlier than he had been told.</p>\n" * 8
PAGE = f"<!doctype html><html><head><title>The weir</title></head><body><article>{PROSE}</article></body></html>"
GOOD = "good"
PDF = "Content-Type: application/pdf"
UNREADABLE = frozenset({"pdf_damaged", "pdf_no_text", "pdf_too_long", "parse_memory", "parse_crashed"})


@dataclass(frozen=True)
class Bomb:
    """An answer, as the pieces that go over the wire, and how it may end."""

    name: str
    expected: frozenset[str]
    """Codes, or `good` for a result."""
    body: bytes | None = None
    """Sent with its length; or else `wire` is sent as it is."""
    wire: tuple[Iterable[bytes], ...] = ()
    headers: str = "Content-Type: text/html; charset=utf-8"
    pause_s: float = 0.0
    """Between pieces of the wire."""
    warns: str | None = None
    """What a good result has to say of itself."""

    def pieces(self) -> Iterator[bytes]:
        if self.body is not None:
            yield f"HTTP/1.1 200 OK\r\n{self.headers}\r\nContent-Length: {len(self.body)}\r\n\r\n".encode()
            yield self.body
        for part in self.wire:
            yield from part


def head(headers: str) -> list[bytes]:
    return [f"HTTP/1.1 200 OK\r\n{headers}\r\n\r\n".encode()]


def zeros(total_bytes: int, headers: str) -> Bomb:
    return Bomb("1 GiB of zeros, gzip", frozenset({"too_large"}), wire=(head(headers), _Zeros(total_bytes)))


@dataclass(frozen=True)
class _Zeros:
    """Compressed while it is sent."""

    total_bytes: int

    def __iter__(self) -> Iterator[bytes]:
        packer = zlib.compressobj(wbits=31)
        for _ in range(self.total_bytes // MIB):
            yield packer.compress(bytes(MIB))
        yield packer.flush()


@dataclass(frozen=True)
class Forever:
    """The same piece again and again."""

    piece: bytes

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield self.piece


@dataclass(frozen=True)
class Pieces:
    """A body, cut."""

    body: bytes
    size: int

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self.body), self.size):
            yield self.body[start : start + self.size]


HTML = "Content-Type: text/html; charset=utf-8"
XHTML = "Content-Type: application/xhtml+xml"
PACKED = f"{HTML}\r\nContent-Encoding: gzip"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
DTD = f'<?xml version="1.0"?><!DOCTYPE html [<!ENTITY l0 "ha">{LAUGHS}]>'
QUADRATIC = f'<?xml version="1.0"?><!DOCTYPE html [<!ENTITY a "{"a" * 50_000}">]>'
EXTERNAL = '<?xml version="1.0"?><!DOCTYPE html [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
XML_PAGE = '{dtd}<html xmlns="http://www.w3.org/1999/xhtml"><body>{prose}<p>{entities}</p></body></html>'


def page(markup: str) -> bytes:
    return f"<!doctype html><html><head><title>The weir</title></head><body>{markup}</body></html>".encode()


def bombs() -> list[Bomb]:
    """The table. Nothing in it is shared between calls."""
    good, refused = frozenset({GOOD}), frozenset({"too_large"})
    steady = PAGE.encode() + b"<!-- -->" * 3000
    attributes = " ".join(f"a{n}=x" for n in range(50_000))
    many = "".join(f"X-{n}: y\r\n" for n in range(1000))
    either = frozenset({GOOD, "parse_timeout", "parse_memory"})
    return [
        Bomb("50,000 attributes on one tag", good, page(f"<div {attributes}>{PROSE}"), warns="attributes_dropped"),
        Bomb("20,000 tags of 200 attributes", either, page(PROSE + f"<b {attributes[:1500]}>x</b>" * 5_000)),
        Bomb("200,000 <br>", good, page(PROSE + "<br> " * 200_000)),
        Bomb("200,000 <br> with text between", either, page(PROSE + "<br>x " * 200_000)),
        Bomb(
            "100,000 nested divs",
            good,
            page(PROSE + "<div>" * 100_000 + PROSE + "</div>" * 100_000),
            warns="structure_flattened",
        ),
        Bomb("100,000 open elements of ten names", either, page(PROSE + _ten_names() + PROSE), warns="content_cut"),
        Bomb("100,000 empty paragraphs", either, page(PROSE + "<p>" * 100_000)),
        Bomb("10,000 nested tables", either, page(PROSE + "<table><tr><td>" * 10_000 + PROSE)),
        Bomb("billion laughs, XHTML", good, XML_PAGE.format(dtd=DTD, prose=PROSE, entities="&l9;").encode(), (), XHTML),
        Bomb(
            "quadratic entities, XHTML",
            good,
            XML_PAGE.format(dtd=QUADRATIC, prose=PROSE, entities="&a;" * 50_000).encode(),
            (),
            XHTML,
        ),
        Bomb("an entity from a file", good,
             XML_PAGE.format(dtd=EXTERNAL, prose=PROSE, entities="&x;").encode(), (), XHTML),
        Bomb("billion laughs, feed", frozenset({GOOD, "unsupported_media_type", "parse_failed", "no_article"}),
             f"{DTD}<rss version='2.0'><channel><title>&l9;</title></channel></rss>".encode(), (),
             "Content-Type: application/rss+xml"),
        Bomb("1 GiB in a PDF of kilobytes", UNREADABLE, pdfs.bomb(1024), (), PDF),
        Bomb("a PDF of 100,000 pages", frozenset({"pdf_too_long"}), pdfs.many_pages(100_000), (), PDF),
        Bomb("a PDF whose pages are a loop", UNREADABLE, pdfs.loop(), (), PDF),
        Bomb("noise called a PDF", frozenset({"pdf_damaged"}), b"%PDF-1.7\n" + bytes(range(256)) * 4_000, (), PDF),
        Bomb("a lying charset", good, PAGE.replace("river", "Flüße – реки").encode(), (),
             "Content-Type: text/html; charset=shift_jis"),
        Bomb("a charset of Python's own", good, PAGE.encode(), (), "Content-Type: text/html; charset=unicode_escape"),
        Bomb("noise called a page", frozenset({"undecodable", "unsupported_media_type"}), bytes(range(256)) * 40_000),
        Bomb("a body cut short", frozenset({"protocol_error"}),
             wire=(head(f"{HTML}\r\nContent-Length: 100000"), [PAGE.encode()])),
        Bomb("chunks cut short", frozenset({"protocol_error"}),
             wire=(head(f"{HTML}\r\nTransfer-Encoding: chunked"), [b"ff\r\n", PAGE.encode()[:100]])),
        Bomb("chunked garbage", frozenset({"protocol_error"}),
             wire=(head(f"{HTML}\r\nTransfer-Encoding: chunked"), [b"zz\r\nnot a length\r\n"])),
        Bomb("a chunk of 16 EiB", frozenset({"protocol_error"}),
             wire=(head(f"{HTML}\r\nTransfer-Encoding: chunked"), [b"ffffffffffffffff\r\n", b"x" * 100])),
        Bomb("two lengths", frozenset({"protocol_error"}),
             wire=(head(f"{HTML}\r\nContent-Length: 5\r\nContent-Length: 6"), [b"12345"])),
        Bomb("headers without end", frozenset({"protocol_error"}),
             wire=([b"HTTP/1.1 200 OK\r\n"], Forever(b"X-More: and more\r\n" * 100))),
        Bomb("one header without end", frozenset({"protocol_error"}),
             wire=([b"HTTP/1.1 200 OK\r\nX: "], Forever(b"x" * 10_000))),
        Bomb("1,000 headers", refused, PAGE.encode(), (), HTML + "\r\n" + many.rstrip()),
        Bomb("interim answers without end", frozenset({"fetch_timeout"}),
             wire=(Forever(b"HTTP/1.1 103 Early Hints\r\n\r\n"),)),
        Bomb("no HTTP at all", frozenset({"protocol_error"}), wire=(Forever(b"SSH-2.0-OpenSSH_9.9\r\n" * 100),)),
        Bomb("a body without end", refused, wire=(head(HTML), Forever(b"<p>words " * 1000))),
        zeros(1024 * MIB, PACKED),
        Bomb("gzip members without end", refused, wire=(head(PACKED), Forever(gzip.compress(bytes(MIB))))),
        Bomb("empty gzip members without end", refused, wire=(head(PACKED), Forever(gzip.compress(b"") * 1000))),
        Bomb("gzip of gzip, said", frozenset({"unsupported_encoding"}),
             gzip.compress(gzip.compress(PAGE.encode())), (), f"{HTML}\r\nContent-Encoding: gzip, gzip"),
        Bomb("gzip of gzip, said in two headers", frozenset({"unsupported_encoding"}),
             gzip.compress(gzip.compress(PAGE.encode())), (), f"{PACKED}\r\nContent-Encoding: gzip"),
        # What is left is read as a gzip file, as sitemaps are, within bounds of its own.
        Bomb("gzip of gzip, not said", frozenset({"too_large"}),
             gzip.compress(gzip.compress(bytes(100 * MIB))), (), PACKED),
        Bomb("brotli", frozenset({"unsupported_encoding"}), b"\x0b", (), f"{HTML}\r\nContent-Encoding: br"),
        Bomb("zstd", frozenset({"unsupported_encoding"}), b"\x28\xb5\x2f\xfd", (), f"{HTML}\r\nContent-Encoding: zstd"),
        Bomb("not gzip at all", frozenset({"protocol_error"}), PAGE.encode(), (), PACKED),
        Bomb("dripping headers", frozenset({"fetch_timeout"}), wire=([b"HTTP/1.1 200 OK\r\nX: "], Forever(b"x")),
             pause_s=0.2),
        Bomb("dripping interim answers", frozenset({"fetch_timeout"}),
             wire=(Forever(b"HTTP/1.1 103 Early Hints\r\n\r\n"),), pause_s=0.2),
        Bomb("a dripping body", frozenset({"fetch_timeout"}), wire=(head(HTML), Forever(b"x")), pause_s=0.2),
        Bomb("a body that starts and then drips", frozenset({"fetch_timeout"}),
             wire=(head(HTML), [PAGE.encode() * 10], Forever(b"x")), pause_s=0.2),
        Bomb("a slow page that comes steadily", good,
             wire=(head(f"{HTML}\r\nContent-Length: {len(steady)}"), Pieces(steady, 2000)), pause_s=0.3),
    ]  # fmt: skip


def _ten_names() -> str:
    return "".join(f"<{name}>" for name in ("div", "b", "i", "u", "em", "span", "font", "small", "big", "s")) * 10_000


class Minefield:
    """Serves the table on loopback, in threads."""

    def __init__(self, table: Iterable[Bomb]) -> None:
        self._table = list(table)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stopping = threading.Event()

    def url(self, bomb: Bomb) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/{self._table.index(bomb)}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True, name="minefield").start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        # Wakes the thread that accepts.
        with contextlib.suppress(OSError), socket.create_connection(self._listener.getsockname(), timeout=1):
            pass
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(OSError):
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError, IndexError), connection:
            connection.settimeout(60)
            request = b""
            while b"\r\n\r\n" not in request:
                if not (data := connection.recv(4096)):
                    return
                request += data
            path = request.split(b" ", 2)[1].decode()
            if path == "/robots.txt":
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            self._send(connection, self._table[int(path[1:])])

    def _send(self, connection: socket.socket, bomb: Bomb) -> None:
        for piece in bomb.pieces():
            if self._stopping.is_set():
                return
            connection.sendall(piece)
            if bomb.pause_s:
                time.sleep(bomb.pause_s)
