"""Bylines and dates that readers see, by what marks them or by how they read."""

import re
from collections.abc import Iterator

from lxml.html import HtmlElement

from stages.extraction.dates import written_date
from stages.extraction.metatags import shown_text

MAX_CHARS = 100
MAX_DATE_CHARS = 80
"""Of a line with a date in it; longer ones are prose."""
MAX_ELEMENTS = 50_000
_UNSEEN = frozenset({"aside", "footer", "head", "noscript", "script", "style", "svg", "template"})
_ELSEWHERE = re.compile(r"comments|comment-?list|related|sidebar|footer|recommend|read-next|popular")
_NAMED = re.compile(r"(?:author|byline|writer)[\s_-]*(?:name|link)|(?:^|\s)(?:author|byline|username)(?=\s|$)")
_ABOUT = re.compile(r"author|byline|posted-?by|postuser")
_BEGINNING = re.compile(
    r"[\W_]{0,3}(?:(?:article|story|written|posted|published|words)\s+)?by\b|(?:authors?|contributors?):", re.IGNORECASE
)
_PERSONS_PAGE = re.compile(r"/(?:authors?|contributors?|writers?|profiles?|producers?|people)/[^/]+/?$", re.IGNORECASE)
_NAME = re.compile(r"[^\W\d_][\w.'’-]*(?:\s+[\w.'’-]+){0,4}$")


def seen_bylines(tree: HtmlElement) -> Iterator[str]:
    """What reads like a byline, the most telling first; comments and teasers of other pages are left out."""
    found = [read for element, marks in _elements(tree) if (read := _read(element, marks)) is not None]
    return (text for _, text in sorted(found, key=lambda each: each[0]))


def seen_dates(tree: HtmlElement) -> Iterator[str]:
    """Dates that stand nearly alone, from the top of the page."""
    for element, _ in _elements(tree):
        for text in (element.text, *(child.tail for child in element)):
            if text and len(text) <= MAX_DATE_CHARS and (found := written_date(text)):
                yield found


def _elements(tree: HtmlElement) -> Iterator[tuple[HtmlElement, str]]:
    """The elements of the body in their order with what marks them, without those that are about something else."""
    left = list(tree.iterchildren("body"))
    for _ in range(MAX_ELEMENTS):
        if not left:
            return
        element = left.pop()
        marks = _marks(element)
        if element.tag not in _UNSEEN and not (marks and _ELSEWHERE.search(marks)):
            yield element, marks
            left += reversed(element)


def _marks(element: HtmlElement) -> str:
    return " ".join([value for name, value in element.items() if name in ("class", "id", "data-testid")]).lower()


def _read(element: HtmlElement, marks: str) -> tuple[int, str] | None:
    """How telling an element is, 0 the most, and its words; None where it is no byline."""
    rank = _rank(element, marks)
    if rank is None:
        return None
    text = _names_in(element)
    if rank == _BY and _BEGINNING.fullmatch(text.rstrip(" :")):
        following = element.getnext()
        text = shown_text(following) if following is not None else ""
    if not 1 < len(text) <= MAX_CHARS or (rank == _LINK and not _NAME.match(text)):
        return None
    return rank, text


def _names_in(element: HtmlElement) -> str:
    """The words of an element; where it holds links to persons, their labels with commas between them."""
    links = [shown_text(each) for each in element.iter("a") if _PERSONS_PAGE.search(each.get("href", ""))]
    return ", ".join(dict.fromkeys(filter(None, links))) or shown_text(element)


_MARK, _BY, _LINK, _HINT = range(4)


def _rank(element: HtmlElement, marks: str) -> int | None:
    if marks and _NAMED.search(marks):
        return _MARK
    text = element.text
    if text and _BEGINNING.match(text.strip()[:MAX_CHARS]):
        return _BY
    if element.tag == "a" and _PERSONS_PAGE.search(element.get("href", "")):
        return _LINK
    return _HINT if marks and _ABOUT.search(marks) else None
