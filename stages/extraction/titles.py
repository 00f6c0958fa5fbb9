"""The title of a page, from the several that it gives itself."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

MIN_LIKENESS = 0.3
"""A heading and a stated title that share less are about different things."""
MAX_CHARS = 300
_WORD = re.compile(r"\w+")
_SEPARATOR = re.compile(r"\s+[|•·—–:»›⋆~-]+\s+|\s*[|»]\s*")


def shown_title(headings: Iterable[str], stated: Sequence[str]) -> str | None:
    """The heading that is most like what the page states as its title; None when none is.

    Titles that are stated often carry the name of the site, or are written for search engines; the heading is what
    readers see.

    >>> shown_title(["Water News", "The lock opens"], ["The lock opens again | Water News"])
    'The lock opens'
    >>> shown_title(["Subscribe"], ["The lock opens"]) is None
    True
    """
    best, most = None, MIN_LIKENESS
    for heading in headings:
        likeness = max((_likeness(heading, title) for title in stated), default=0.0)
        if likeness > most and len(heading) <= MAX_CHARS:
            best, most = heading, likeness
    return best


def without_site(title: str, site_name: str | None) -> str:
    """A title without the name of the site at its end or its beginning; without a name the longest part stays.

    >>> without_site("The lock opens | Water News", "Water News"), without_site("Water News: The lock", "water news")
    ('The lock opens', 'The lock')
    >>> without_site("The lock opens again - Water News", None), without_site("Water News", "Water News")
    ('The lock opens again', 'Water News')
    """
    parts = [part.strip() for part in _SEPARATOR.split(title) if part.strip()]
    if len(parts) < 2:
        return _without_prefix(title, site_name)
    kept = [part for part in parts if not site_name or _words(part) != _words(site_name)]
    if len(kept) == len(parts):
        return max(parts[0], parts[-1], key=len) if site_name is None else title
    return _between(title, kept[0], kept[-1]) if kept else title


def names_site(title: str, site_name: str | None, host: str | None) -> bool:
    """Whether a title is no more than the name of the site.

    >>> names_site("Water  News", "water news", None), names_site("water.example", None, "www.water.example")
    (True, True)
    """
    hosts = [host, host.removeprefix("www."), host.removeprefix("www.").rpartition(".")[0]] if host else []
    return any(name and _words(name) == _words(title) for name in (site_name, *hosts))


def _without_prefix(title: str, site_name: str | None) -> str:
    before, colon, after = title.partition(":")
    return after.strip() if colon and site_name and _words(before) == _words(site_name) and after.strip() else title


def _between(title: str, first: str, last: str) -> str:
    return title[title.index(first) : title.rindex(last) + len(last)]


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text[:MAX_CHARS]).casefold())


def _likeness(one: str, other: str) -> float:
    """F1 of the words of both."""
    ours, theirs = Counter(_words(one)), Counter(_words(other))
    shared = (ours & theirs).total()
    return 2 * shared / (ours.total() + theirs.total()) if shared else 0.0
