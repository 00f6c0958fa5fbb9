"""An element tree as clean text and as Markdown, in one walk.

Both forms are made block by block, so that neither runs words of different blocks together. Nothing of the page's
markup survives: raw HTML is escaped, and only http, https and mailto links are kept.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field, replace
from itertools import groupby

from lxml.html import HtmlElement

from stages.contract.nouns import ArticleSection
from stages.extraction.addresses import absolute
from stages.extraction.codeblocks import code_block, inline_code
from stages.extraction.passages import blocky
from stages.extraction.trees import BLOCKS, HEADINGS, LISTS, SKIPPED

MARKERS = {"b": "**", "strong": "**", "em": "*", "i": "*"}
SOFT_HYPHEN = "\xad"
CODE = frozenset({"code", "kbd", "samp", "tt"})
_SPACE = re.compile(r"[^\S\xa0]+|\xa0")
_SPECIAL = re.compile(r"([\\`*\[\]<>|])|(?<!\w)(_)|(_)(?!\w)")
_LINE_START = re.compile(r"^(?=(?:#{1,6}|[-+])(?:\s|$)|-+\s*$|=+\s*$|~~~)|^\d{1,9}(?=[.)](?:\s|$))")
_LIST_START = re.compile(r"- |\d+\. ")
GAP = "\n\n"
"""Between blocks."""
MAX_ANCHOR_CHARS = 60
ESCAPED_PIPE = r"\\|"
_BARE_PIPE = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A piece of content in both forms."""

    text: str
    markdown: str
    heading: HtmlElement | None = field(default=None, repr=False, compare=False)
    """Where this is a heading, its element."""
    root: HtmlElement | None = field(default=None, repr=False, compare=False)
    """What all of this was made from."""
    sections: tuple[ArticleSection, ...] = field(default=(), repr=False, compare=False)

    def __bool__(self) -> bool:
        return bool(self.text.strip() or self.markdown.strip())


def render(root: HtmlElement, base_url: str | None) -> Rendered:
    """Render an element and all it contains; blocks are separated by blank lines. Headings are given anchors."""
    blocks = [block for block in _Renderer(base_url, blocky(root)).blocks(root) if block]
    return replace(_stacked(blocks), root=root, sections=tuple(_sections(blocks)))


def escaped_markdown(text: str) -> str:
    """Plain text as Markdown that shows it, line by line, and means nothing more.

    >>> print(escaped_markdown("1. <b>not</b> a list"))
    1\\. \\<b\\>not\\</b\\> a list
    """
    return "\n".join(_as_plain_line(_words(line).markdown.strip()) for line in text.split("\n"))


def _stacked(blocks: Iterable[Rendered]) -> Rendered:
    kept = [block for block in blocks if block]
    return Rendered(
        GAP.join(block.text for block in kept if block.text.strip()),
        GAP.join(block.markdown for block in kept if block.markdown.strip()),
    )


def _sections(blocks: Iterable[Rendered]) -> Iterator[ArticleSection]:
    """The headings that stand between the blocks, where each begins; their elements get the anchors as ids."""
    text_at = markdown_at = 0
    taken: Counter[str] = Counter()
    for block in blocks:
        if block.heading is not None and block.text.strip():
            anchor = _anchor(block.text, taken)
            block.heading.set("id", anchor)
            yield ArticleSection(
                heading=block.text,
                level=HEADINGS[str(block.heading.tag)],
                anchor=anchor,
                text_start=text_at,
                markdown_start=markdown_at,
            )
        text_at += len(block.text) + len(GAP) if block.text.strip() else 0
        markdown_at += len(block.markdown) + len(GAP) if block.markdown.strip() else 0


def _anchor(heading: str, taken: Counter[str]) -> str:
    """An id made of a heading's words, as no other heading has it; `taken` counts those that were given.

    >>> taken = Counter()
    >>> _anchor("Gates & Sills!", taken), _anchor("Gates, sills", taken), _anchor("?", taken)
    ('gates-sills', 'gates-sills-2', 'section')
    """
    words = "-".join(re.findall(r"\w+", heading.casefold()))[:MAX_ANCHOR_CHARS].strip("-") or "section"
    anchor = words
    while anchor in taken:
        taken[words] += 1
        anchor = f"{words}-{taken[words]}"
    taken[anchor] = 1
    return anchor


class _Renderer:
    def __init__(self, base_url: str | None, holders: Set[HtmlElement]) -> None:
        self._base_url = base_url
        self._holders = holders
        self._card_url: str | None = None

    # blocks

    def blocks(self, element: HtmlElement) -> Iterator[Rendered]:
        """The blocks inside an element; what stands between block elements becomes paragraphs."""
        run = [_words(element.text)]
        for child in element:
            if child.tag in BLOCKS or child in self._holders:
                yield self._paragraph(run)
                yield from self._block(child)
                run = [_words(child.tail)]
            else:
                run += [self._inline(child), _words(child.tail)]
        yield self._paragraph(run)

    def _paragraph(self, run: Iterable[Rendered]) -> Rendered:
        return _paragraph(_linked(_joined(run), self._card_url))

    def _block(self, element: HtmlElement) -> Iterator[Rendered]:
        tag = element.tag
        if tag in HEADINGS:
            yield self._heading(element)
        elif tag in LISTS:
            yield self._list(element)
        elif tag == "pre":
            yield Rendered(*code_block(element))
        elif tag == "blockquote":
            yield self._quote(element)
        elif tag == "table":
            yield from self._table(element)
        elif tag == "hr":
            yield Rendered("", "---")
        elif tag == "a":
            yield from self._card(element)
        else:
            yield from self.blocks(element)

    def _card(self, element: HtmlElement) -> Iterator[Rendered]:
        """A link around blocks: each of its paragraphs leads there."""
        outer, self._card_url = self._card_url, self._absolute(element.get("href"))
        yield from self.blocks(element)
        self._card_url = outer

    def _heading(self, element: HtmlElement) -> Rendered:
        inside = _one_line(_stacked(self.blocks(element)))
        element.attrib.pop("id", None)  # only anchors of ours are left
        marked = f"{'#' * HEADINGS[str(element.tag)]} {inside.markdown}"
        return Rendered(inside.text, marked, heading=element) if inside else inside

    def _quote(self, element: HtmlElement) -> Rendered:
        inside = _stacked(self.blocks(element))
        return Rendered(inside.text, "\n".join(f"> {line}".rstrip() for line in inside.markdown.split("\n")))

    def _list(self, element: HtmlElement) -> Rendered:
        items = [_item(self.blocks(child)) for child in element]
        texts, markdowns = [], []
        for number, item in enumerate(filter(None, items), start=_start(element)):
            marker = f"{number}. " if element.tag == "ol" else "- "
            texts.append(_hanging(marker, item.text))
            markdowns.append(_hanging(marker, item.markdown))
        return Rendered("\n".join(texts), "\n".join(markdowns))

    def _table(self, element: HtmlElement) -> Iterator[Rendered]:
        rows = [] if _holds_structure(element) else list(filter(any, self._rows(element)))
        if _is_layout(rows):
            yield from self.blocks(element)
            return
        caption = element.find("caption")
        if caption is not None:
            yield _stacked(self.blocks(caption))
        yield _grid([[_one_line(cell) for cell in row] for row in rows])

    def _rows(self, table: HtmlElement) -> Iterator[list[Rendered]]:
        for row in _own_rows(table):
            yield [_stacked(self.blocks(cell)) for cell in row.iterchildren("td", "th")]

    # inline

    def _inline(self, element: HtmlElement) -> Rendered:
        tag = element.tag
        if not isinstance(tag, str) or tag in SKIPPED:
            return Rendered("", "")
        if tag == "br":
            return Rendered("\n", "  \n")
        if tag == "img":
            return self._image(element)
        if tag in CODE:
            return Rendered(*inline_code(element))
        inside = _joined([_words(element.text), *self._inline_children(element)])
        if tag == "a":
            return _linked(inside, self._absolute(element.get("href")))
        return _marked(inside, MARKERS[tag]) if tag in MARKERS else inside

    def _inline_children(self, element: HtmlElement) -> Iterator[Rendered]:
        for child in element:
            yield self._inline(child)
            yield _words(child.tail)

    def _image(self, element: HtmlElement) -> Rendered:
        url = self._absolute(element.get("src"))
        alt = _one_line(_words(element.get("alt"))).markdown.strip()
        return Rendered("", f"![{alt}]({url})" if url and alt else "")

    def _absolute(self, href: str | None) -> str | None:
        """An absolute URL that is safe to link to and cannot end the Markdown link, or None."""
        url = absolute(href, self._base_url)
        if url is None:
            return None
        return re.sub(r"[\s()<>\\]", lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), url)


def _linked(inside: Rendered, url: str | None) -> Rendered:
    label = _label(inside)
    if url is None or not label or not inside.text.strip():
        return inside
    return Rendered(inside.text, _outside_spaces(inside.markdown, f"[{label}]({url})"))


def _paragraph(joined: Rendered) -> Rendered:
    stanzas = [[_as_plain_line(line) for line in stanza] for stanza in _stanzas(joined.markdown)]
    return Rendered(
        "\n\n".join("\n".join(stanza) for stanza in _stanzas(joined.text)),
        "\n\n".join("  \n".join(stanza) for stanza in stanzas),
    )


def _stanzas(text: str) -> list[list[str]]:
    """The lines of a text with their spaces collapsed, in groups that empty lines separate."""
    lines = [re.sub(r" {2,}", " ", line).strip() for line in text.split("\n")]
    return [list(group) for filled, group in groupby(lines, bool) if filled]


def _as_plain_line(markdown: str) -> str:
    """Keep a line from being read as a heading, a list item, a rule or a fence."""
    return _LINE_START.sub(lambda found: f"{found[0]}\\", markdown)


def _joined(run: Iterable[Rendered]) -> Rendered:
    pieces = list(run)
    return Rendered("".join(piece.text for piece in pieces), "".join(piece.markdown for piece in pieces))


def _words(text: str | None) -> Rendered:
    plain = _SPACE.sub(" ", text or "").replace(SOFT_HYPHEN, "")
    return Rendered(plain, _SPECIAL.sub(lambda found: "\\" + found[0], plain))


def _one_line(piece: Rendered) -> Rendered:
    return Rendered(" ".join(piece.text.split()), " ".join(piece.markdown.split()))


def _label(inside: Rendered) -> str:
    """What stands between two markers; an empty line would end the span."""
    return "  \n".join(line.strip() for line in inside.markdown.split("\n") if line.strip())


def _marked(inside: Rendered, marker: str) -> Rendered:
    label = _label(inside)
    return Rendered(inside.text, _outside_spaces(inside.markdown, f"{marker}{label}{marker}")) if label else inside


def _outside_spaces(original: str, core: str) -> str:
    """Put the spaces around `original` around `core`: Markdown ignores a marker next to a space."""
    before = " " if original[:1].isspace() else ""
    return f"{before}{core}{' ' if original[-1:].isspace() else ''}"


def _item(blocks: Iterable[Rendered]) -> Rendered:
    """A list item: a nested list follows its label at once, other blocks stay apart, which Markdown needs."""
    kept = [block for block in blocks if block]
    markdown = ""
    for block in kept:
        gap = "\n" if _LIST_START.match(block.markdown) else "\n\n"
        markdown += (gap if markdown else "") + block.markdown
    return Rendered("\n".join(block.text for block in kept if block.text.strip()), markdown)


def _hanging(marker: str, text: str) -> str:
    """A list item with its further lines indented under the first."""
    indent = " " * len(marker)
    return marker + re.sub(r"\n(?=[^\n])", f"\n{indent}", text)


def _start(element: HtmlElement) -> int:
    start = element.get("start") or ""
    return int(start) if start.isascii() and start.isdigit() and len(start) < 7 else 1


def _own_rows(table: HtmlElement) -> Iterator[HtmlElement]:
    for child in table:
        if child.tag == "tr":
            yield child
        elif child.tag in ("thead", "tbody", "tfoot"):
            yield from child.iterchildren("tr")


def _holds_structure(table: HtmlElement) -> bool:
    """Whether there are tables or code in its cells. Asked first: else nested ones would be read over and over."""
    return next(table.iterdescendants("table", "pre"), None) is not None


def _is_layout(rows: list[list[Rendered]]) -> bool:
    """Whether a table only arranges content: one column, one row, or whole texts in cells."""
    is_small = len(rows) < 2 or max(map(len, rows)) < 2
    return is_small or any("\n\n" in cell.text for row in rows for cell in row)


def _grid(rows: list[list[Rendered]]) -> Rendered:
    width = max(map(len, rows))
    empty = Rendered("", "")
    padded = [row + [empty] * (width - len(row)) for row in rows]
    lines = [f"| {' | '.join(_BARE_PIPE.sub(ESCAPED_PIPE, cell.markdown) for cell in row)} |" for row in padded]
    lines.insert(1, f"|{' --- |' * width}")
    return Rendered("\n".join("\t".join(cell.text for cell in row).rstrip() for row in padded), "\n".join(lines))
