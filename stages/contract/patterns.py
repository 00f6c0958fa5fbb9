"""Which regular expressions of a client are safe to run on a stranger's text."""

import re
from collections.abc import Iterator, Sequence
from math import prod

MAX_PATTERN_CHARS = 200
MAX_MATCHED_CHARS = 200
"""A longer text fits no pattern."""
MAX_WAYS = MAX_MATCHED_CHARS**3
"""In how many ways, at most, a pattern may try to match."""

_PIECE = re.compile(
    r"(?P<class>\[\^?\]?(?:\\.|[^\]\\])*\])"
    r"|(?P<open>\((?:\?:)?(?!\?))|(?P<close>\))|(?P<or>\|)"
    r"|(?P<times>[*+?]|\{(?P<least>\d{0,4})(?P<upto>,(?P<most>\d{0,4}))?\})(?P<lazy>\?)?"
    r"|(?P<atom>\\[^0-9]|[^\\()\[*+?{|])",
    re.DOTALL,
)


def check_pattern(pattern: str) -> None:
    r"""Refuse a regular expression that could take long: what repeats may not repeat inside, or look around or back.

    Raises `ValueError`.

    >>> check_pattern(r"^[A-Z]{2}-\d+$")
    >>> check_pattern(r"(a+)+$")
    Traceback (most recent call last):
        ...
    ValueError: the pattern '(a+)+$' repeats a group, which can take for ever; repeat single characters instead
    """
    if len(pattern) > MAX_PATTERN_CHARS:
        raise ValueError(f"a pattern has at most {MAX_PATTERN_CHARS} characters")
    if _ways(list(_pieces(pattern)), anchored=pattern.startswith("^")) > MAX_WAYS:
        raise ValueError(f"the pattern {pattern!r} repeats too much")
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"the pattern {pattern!r} cannot be read: {error}") from None


def _pieces(pattern: str) -> Iterator[re.Match[str]]:
    at, after = 0, None
    while at < len(pattern):
        piece = _PIECE.match(pattern, at)
        if piece is None:
            raise ValueError(f"the pattern {pattern!r} uses what is not supported: groups that look around, or back")
        if piece["times"] and after == "close":
            raise ValueError(
                f"the pattern {pattern!r} repeats a group, which can take for ever; repeat single characters instead"
            )
        yield piece
        after, at = piece.lastgroup, piece.end()


def _ways(pieces: Sequence[re.Match[str]], *, anchored: bool) -> int:
    """In how many ways a pattern can be laid over a text: from which place, along which branch, how often each."""
    branches = 2 ** sum(piece["or"] is not None for piece in pieces)
    places = 1 if anchored else MAX_MATCHED_CHARS
    return int(prod(map(_lengths, pieces)) * branches * places)


def _lengths(piece: re.Match[str]) -> int:
    """How many lengths it can have; 1 unless it says how often something comes."""
    match (piece["times"] or "{")[0]:
        case "?":
            return 2
        case "*" | "+":
            return MAX_MATCHED_CHARS
    if not piece["upto"]:
        return 1
    most = int(piece["most"]) if piece["most"] else MAX_MATCHED_CHARS
    return max(1, most - int(piece["least"] or 0) + 1)
