"""What clients send instead of a URL: bytes, or a file that need not fit into memory."""

from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from typing import BinaryIO

READ_BYTES = 256 * 1024
"""Of a file, at a time."""


def chunks_of(file: BinaryIO) -> Iterator[bytes]:
    """A file from its beginning, in chunks."""
    file.seek(0)
    return iter(partial(file.read, READ_BYTES), b"")


def sha256_of(content: bytes | BinaryIO) -> str:
    """The hash of a content, in hex.

    >>> from io import BytesIO
    >>> sha256_of(b"Water") == sha256_of(BytesIO(b"Water"))
    True
    """
    digest = sha256()
    for chunk in [content] if isinstance(content, bytes) else chunks_of(content):
        digest.update(chunk)
    return digest.hexdigest()
