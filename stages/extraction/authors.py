"""Names of authors, from what pages put into their bylines."""

import re
from collections.abc import Iterable, Iterator

MAX_AUTHORS = 20
MAX_NAME_CHARS = 100
MAX_BYLINE_CHARS = 500
_PREFIX = re.compile(
    r"^\W*(?:(?:[\w-]+\s+){0,4}by\b|authors?\b\s*:?|contributors?\s*:|von\b|par\b|por\b)[\s:]*", re.IGNORECASE
)
_SUFFIX = re.compile(
    r"\s*(?:[|–—•·⋅]|\b(?:on|at)\s+\w+\s+\d|\b(?:last\s+)?(?:updated?|published|posted)\b|\d{1,2}[./ ]\w{2,9}[./ ]\d{2}"
    r"|\b(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)\w*\.?\s\d).*$",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"\s*(?:;|\band\b|&|\bund\b|\bet\b)\s*", re.IGNORECASE)
_DURATION = re.compile(r"\d+\s*min", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:https?:)?//|@|www\.|[\w.-]+\.(?:com|org|net)/")
_NAME = re.compile(
    r"[^\W\d_][\w.'’-]*(?:\s+(?:[^\W\d_a-z][\w.'’-]*|al|bin|da|de|del|der|di|dos|el|la|le|van|von|y|zu)){1,4}$"
)
_ROLE = re.compile(
    r"\b(?:analyst|author|ceo|chief|consultant|contributor|correspondent|cto|dds|director|editor|educator|engineer"
    r"|expert|founder|head|inc|journalist|llc|manager|master|md|officer|phd|president|producer|professor|reporter"
    r"|representative|specialist|staff|strategist|writer)\b",
    re.IGNORECASE,
)
_PLACEHOLDERS = frozenset(
    {"admin", "administrator", "author", "anonymous", "by", "editor", "guest", "none", "null", "n/a", "undefined"}
    | {"unknown", "user", "webmaster", "wordpress"}
)


def names_in(bylines: Iterable[str]) -> tuple[str, ...]:
    """The names of some bylines, each once, in their order; without what people are.

    >>> names_in(["By Ana Weir and Ben Lock"]), names_in(["Ana Weir, Ben Lock", "ana weir"])
    (('Ana Weir', 'Ben Lock'), ('Ana Weir', 'Ben Lock'))
    >>> names_in(["Written by Ana Weir, chief engineer & editor | 4 May 2026"])
    ('Ana Weir',)
    >>> names_in(["https://water.example/ana", "admin"]), names_in(["Lock, Dam and Weir Society"])
    ((), ('Lock, Dam', 'Weir Society'))
    """
    found: dict[str, str] = {}
    for byline in bylines:
        for name in _names(_bare(byline)):
            if _is_name(name):
                found.setdefault(name.casefold(), name)
    return tuple(list(found.values())[:MAX_AUTHORS])


def _bare(byline: str) -> str:
    words = " ".join(byline[:MAX_BYLINE_CHARS].split())
    return _SUFFIX.sub("", _PREFIX.sub("", words)).strip(" ,;:-")


def _names(byline: str) -> Iterator[str]:
    """What stands between commas while these are names; or else what stands between words that join names."""
    pieces = [piece.strip() for piece in re.split(r"\s*,\s*(?:and\s+|&\s+)?", byline) if piece.strip()]
    if len(pieces) > 1 and _is_person(_BETWEEN.split(pieces[0])[0]):
        for piece in pieces:
            joined = _BETWEEN.split(piece)
            if not all(map(_is_person, joined)):
                return
            yield from joined
    else:
        yield from (part.strip(" ,") for part in _BETWEEN.split(byline))


def _is_person(name: str) -> bool:
    return _NAME.match(name) is not None and not _ROLE.search(name)


def _is_name(name: str) -> bool:
    return (
        1 < len(name) <= MAX_NAME_CHARS
        and not _ADDRESS.match(name)
        and name.casefold() not in _PLACEHOLDERS
        and not _DURATION.match(name)
        and any(character.isalpha() for character in name)
    )
