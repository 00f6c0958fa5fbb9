"""A part of an answer: the header `Range` (RFC 9110, section 14)."""

import re

from api.errors import RangeNotSatisfiable

_ONE_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,19})-(\d{0,19})\s*", re.IGNORECASE)


def part_of(size: int, asked: str | None) -> range | None:
    """Which bytes of so many are asked for; None for all of them.

    A header that is no range of bytes, or asks for several, may be ignored and is. Raises `RangeNotSatisfiable` when
    there is nothing in the range.

    >>> part_of(10, "bytes=2-4"), part_of(10, "bytes=7-"), part_of(10, "bytes=-3"), part_of(10, "bytes=0-99")
    (range(2, 5), range(7, 10), range(7, 10), range(0, 10))
    >>> part_of(10, None), part_of(10, "lines=1-2"), part_of(10, "bytes=1-2,4-5"), part_of(10, "bytes=4-2")
    (None, None, None, None)
    """
    found = _ONE_RANGE.fullmatch(asked or "")
    if found is None or found.group(1, 2) == ("", ""):
        return None
    first, last = found.groups()
    if first and last and int(last) < int(first):
        return None
    start = int(first) if first else max(0, size - int(last))
    part = range(start, min(int(last) + 1, size) if first and last else size)
    if not part:
        raise RangeNotSatisfiable(size)
    return part
