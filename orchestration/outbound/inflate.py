"""Decompression of HTTP bodies in small steps and within a limit: a bomb is noticed before it goes off."""

import zlib
from collections.abc import Callable

from stages.contract import Permanent, Transient

ACCEPT_ENCODING = "gzip, deflate"

_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_GZIP_MAGIC = b"\x1f"
_HEAD_BYTES = 2

MAX_RATIO = 200
"""How many times its size on the wire a body may have; pages reach 20, and deflate 1032."""
RATIO_FROM_BYTES = 2**20
"""Smaller ones may have any ratio: a short page of blanks is no bomb."""


class Body:
    """A body as it arrives. Limits are in bytes, before and after decompression."""

    def __init__(self, content_encoding: str, *, max_wire_bytes: int, max_decoded_bytes: int) -> None:
        """`content_encoding` is the header's value. Raises `Permanent` with code `unsupported_encoding`."""
        self._inflate = _inflater(content_encoding)
        self._max_wire_bytes = max_wire_bytes
        self._max_decoded_bytes = max_decoded_bytes
        self._decoded = bytearray()
        self.wire_bytes = 0

    def feed(self, data: bytes) -> None:
        """Take in what came over the wire. Raises `Permanent` `too_large`, `Transient` `protocol_error`."""
        self.wire_bytes += len(data)
        if self.wire_bytes > self._max_wire_bytes:
            raise Permanent("too_large")
        room = self._max_decoded_bytes - len(self._decoded)
        self._decoded += self._inflate(data, room + 1) if self._inflate else data
        if len(self._decoded) > self._max_decoded_bytes:
            raise Permanent("too_large")
        if len(self._decoded) > max(RATIO_FROM_BYTES, MAX_RATIO * self.wire_bytes):
            raise Permanent("too_large", "The page is far larger than what was transferred: a decompression bomb.")

    @property
    def decoded_bytes(self) -> int:
        return len(self._decoded)

    def so_far(self) -> bytes:
        """What has been decoded, whether or not that is all."""
        return bytes(self._decoded)

    def finish(self) -> bytes:
        """The whole decoded body. Raises `Transient` `protocol_error` where compressed data ends too early."""
        if self._inflate and self.wire_bytes and not self._inflate.is_complete:
            raise Transient("protocol_error", "The host's compressed answer is cut short.")
        return bytes(self._decoded)


def _inflater(content_encoding: str) -> "_Inflater | None":
    names = [name.strip().lower() for name in content_encoding.split(",")]
    match [name for name in names if name not in ("", "identity")]:
        case []:
            return None
        case ["gzip" | "x-gzip"]:
            return _Inflater(lambda _data: _GZIP)
        case ["deflate"]:
            return _Inflater(_deflate_window)
    raise Permanent("unsupported_encoding")


def _deflate_window(data: bytes) -> int:
    """Some servers send `deflate` without the zlib wrapper of RFC 9110, section 8.4.1.2.

    >>> _deflate_window(zlib.compress(b"x")) == _ZLIB, _deflate_window(zlib.compress(b"x", wbits=-15)) == _RAW
    (True, True)
    """
    is_wrapped = data[0] & 0x0F == zlib.DEFLATED and data[0] >> 4 <= 7 and int.from_bytes(data[:2]) % 31 == 0
    return _ZLIB if is_wrapped else _RAW


class _Inflater:
    """One compressed stream, or gzip members in a row (RFC 1952, section 2.2)."""

    def __init__(self, window: Callable[[bytes], int]) -> None:
        self._window = window
        self._wbits: int | None = None
        self._head = b""
        self._stream = zlib.decompressobj()

    @property
    def is_complete(self) -> bool:
        return self._wbits is not None and self._stream.eof

    def __call__(self, data: bytes, max_bytes: int) -> bytes:
        """Up to `max_bytes` of what the data decompresses to."""
        if self._wbits is None:
            self._head += data
            if len(self._head) < _HEAD_BYTES:
                return b""
            data = self._head
            self._wbits = self._window(data)
            self._stream = zlib.decompressobj(self._wbits)
        try:
            return self._members(data, max_bytes)
        except zlib.error:
            raise Transient("protocol_error", "The host's compressed answer is damaged.") from None

    def _members(self, data: bytes, max_bytes: int) -> bytes:
        out = b""
        while data and len(out) < max_bytes:
            if self._stream.eof:
                if self._wbits != _GZIP or not data.startswith(_GZIP_MAGIC):
                    break  # padding; browsers ignore it too
                self._stream = zlib.decompressobj(_GZIP)
            out += self._stream.decompress(data, max_bytes - len(out))
            data = self._stream.unused_data
        return out
