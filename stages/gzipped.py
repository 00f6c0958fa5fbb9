"""Files that were compressed before they were put on a host, as sitemaps often are."""

import zlib

from stages.contract import Permanent

MAX_BYTES = 20 * 2**20
"""Of what comes out."""
MAX_RATIO = 200
"""How many times its size a file may have; lists of URLs reach 30, and deflate 1032."""
RATIO_FROM_BYTES = 2**20
SUFFIX = ".gz"
_MAGIC = b"\x1f\x8b"
_GZIP = 16 + zlib.MAX_WBITS


def is_gzipped(body: bytes) -> bool:
    """Whether it begins as gzip does."""
    return body.startswith(_MAGIC)


def gunzipped(body: bytes, max_bytes: int = MAX_BYTES) -> bytes:
    """What a gzip file holds, all of its members. Raises `Permanent`: `too_large`, or `undecodable` where it is broken.

    >>> import gzip
    >>> gunzipped(gzip.compress(b"up") + gzip.compress(b"stream"))
    b'upstream'
    """
    room = min(max_bytes, max(RATIO_FROM_BYTES, MAX_RATIO * len(body)))
    out, rest = bytearray(), body
    while is_gzipped(rest):
        stream = zlib.decompressobj(_GZIP)
        try:
            out += stream.decompress(rest, room + 1 - len(out))
        except zlib.error:
            raise Permanent("undecodable", "The gzip file is broken.") from None
        if len(out) > room:
            raise Permanent("too_large")
        if not stream.eof:
            raise Permanent("undecodable", "The gzip file is cut short.")
        rest = stream.unused_data
    return bytes(out)
