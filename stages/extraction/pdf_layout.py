"""From the lines of pages to paragraphs and headings, without what is printed on every page."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

EDGE_LINES = 2
"""At the top and the bottom of a page, where running titles and page numbers stand."""
MIN_PAGES = 3
"""Fewer pages repeat nothing."""
REPEATED_SHARE = 0.5
SHORT_LINE = 0.75
"""A line shorter than this share of a full one ends a paragraph, if it ends like a sentence."""
HYPHENS = "-\xad"
_NUMBER = re.compile(
    r"\W*(?:page\s+|seite\s+|s\.\s*)?(?:\d{1,5}|[ivxlc]{1,7})(?:\s*(?:/|of|von)\s*\d{1,5})?\W*$", re.IGNORECASE
)
_ITEM = re.compile(r"(?:[•▪◦‣·–*-]|\(?\d{1,3}[.)]|[a-z][.)])\s+")
_SENTENCE_END = re.compile(r"[.!?:;。！？”\"')\]]$")

Block = tuple[int, str]
"""Level of the heading, or 0 for a paragraph; and its text."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A bookmark: its title, the level of its heading from 2, and the page that it leads to, from 0."""

    title: str
    level: int
    page: int


def blocks_of(pages: list[str], headings: Iterable[Heading]) -> Iterator[Block]:
    """Paragraphs and headings in their order; paragraphs go on across pages."""
    lines = [_lines(page) for page in pages]
    printed = _repeated(lines)
    levels = {(heading.page, _key(heading.title)): min(heading.level, 6) for heading in headings}
    titles = frozenset(title for _, title in levels)
    full = _full_length(lines)
    paragraph: list[str] = []
    for number, page in enumerate(lines):
        for line in _trimmed(page, printed, titles):
            level = levels.get((number, _key(line)), 0)
            if paragraph and (level or _ITEM.match(line) or _ends(paragraph[-1], full)):
                yield 0, _joined(paragraph)
                paragraph = []
            if level:
                yield level, line
            else:
                paragraph.append(line)
    if paragraph:
        yield 0, _joined(paragraph)


def _lines(page: str) -> list[str]:
    """Not `splitlines`, which ends lines at control characters, too."""
    # pdfium writes a character that is none for a hyphen at the end of a line and the end itself.
    lines = (" ".join(line.split()) for line in re.split(r"\r\n|\r|\n", page.replace("\ufffe", "-\n")))
    return [line for line in lines if line]


def _key(line: str) -> str:
    return re.sub(r"\W+", "", line).casefold()


def _edge_key(line: str) -> str:
    """The same for a line on all pages: numbers differ."""
    return re.sub(r"\d+", "#", " ".join(line.split())).casefold()


def _repeated(pages: list[list[str]]) -> frozenset[str]:
    """What stands at the edge of most pages; or of most even or most odd ones."""
    if len(pages) < MIN_PAGES:
        return frozenset()
    counts = Counter(key for page in pages for key in {_edge_key(line) for line in _edges(page)})
    needed = max(MIN_PAGES - 1, len(pages) * REPEATED_SHARE * 0.8)
    return frozenset(key for key, count in counts.items() if count >= needed)


def _edges(page: list[str]) -> list[str]:
    return [*page[:EDGE_LINES], *page[EDGE_LINES:][-EDGE_LINES:]]


def _trimmed(page: list[str], printed: frozenset[str], headings: frozenset[str]) -> list[str]:
    """A page without what is printed at its top and at its bottom."""

    def is_content(line: str) -> bool:
        return _key(line) in headings or not (_edge_key(line) in printed or _NUMBER.match(line))

    top = next((at for at, line in enumerate(page[:EDGE_LINES]) if is_content(line)), EDGE_LINES)
    rest = page[top:]
    bottom = next((at for at, line in enumerate(rest[: -EDGE_LINES - 1 : -1]) if is_content(line)), EDGE_LINES)
    return rest[: len(rest) - bottom]


def _full_length(pages: list[list[str]]) -> float:
    """How many characters a line of running text has: the 80th percentile."""
    lengths = sorted(len(line) for page in pages for line in page)
    return lengths[int(len(lengths) * 0.8)] if lengths else 0


def _ends(line: str, full: float) -> bool:
    """Whether a paragraph ends with this line: it is short, and ends like a sentence or is hardly a line."""
    if _is_divided(line):
        return False
    return len(line) < SHORT_LINE * full and (_SENTENCE_END.search(line) is not None or len(line) < full / 2)


def _joined(lines: list[str]) -> str:
    """One paragraph; words that were divided at the end of a line are whole again.

    >>> _joined(["The old wa-", "ter gate and the up-", "Stream one"])
    'The old water gate and the up-Stream one'
    """
    pieces = [lines[0]]
    for line in lines[1:]:
        if not _is_divided(pieces[-1]):
            pieces += [" ", line]
        elif line[0].islower():
            pieces[-1] = pieces[-1][:-1]
            pieces.append(line)
        else:
            pieces.append(line)
    return "".join(pieces)


def _is_divided(line: str) -> bool:
    """Whether a line ends within a word."""
    return len(line) > 1 and line[-1] in HYPHENS and line[-2].isalnum()
