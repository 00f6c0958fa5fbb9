"""An element tree as clean text and as Markdown, in one walk.

Both forms are made block by block, so that neither runs words of different blocks together. Nothing of the page's
markup survives: raw HTML is escaped, and only http, https and mailto links are kept.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from lxml.etree import _Comment, _ProcessingInstruction
from lxml.html import HtmlElement

SKIPPED = frozenset(
    "button canvas form head iframe input link meta nav noscript object script select style svg template textarea "
    "video audio".split()
)
BLOCKS = frozenset(
    "address article aside blockquote body center dd details dir div dl dt fieldset figcaption figure footer h1 h2 h3 "
    "h4 h5 h6 header hr html li main menu ol p pre section summary table tbody td tfoot th thead tr ul".split()
)
HEADINGS = {f"h{level}": level for level in range(1, 7)}
MARKERS = {"b": "**", "strong": "**", "em": "*", "i": "*"}
CODE = frozenset({"code", "kbd", "samp", "tt"})
SCHEMES = frozenset({"http", "https", "mailto"})
_SPACE = re.compile(r"[^\S\xa0]+|\xa0")
_SPECIAL = re.compile(r"([\\`*\[\]<>|])|(?<!\w)(_)|(_)(?!\w)")
_LINE_START = re.compile(r"^(\s*)([#+\-=~]|\d+[.)])(?=\s|$|[-=~]{2})")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A piece of content in both forms."""

    text: str
    markdown: str

    def __bool__(self) -> bool:
        return bool(self.text.strip() or self.markdown.strip())


def render(root: HtmlElement, base_url: str | None) -> Rendered:
    """Render an element and all it contains; blocks are separated by blank lines."""
    return _stacked(_Renderer(base_url).blocks(root))


def _stacked(blocks: Iterable[Rendered]) -> Rendered:
    kept = [block for block in blocks if block]
    return Rendered(
        "\n\n".join(block.text for block in kept if block.text.strip()),
        "\n\n".join(block.markdown for block in kept if block.markdown.strip()),
    )


class _Renderer:
    def __init__(self, base_url: str | None) -> None:
        self._base_url = base_url

    # blocks

    def blocks(self, element: HtmlElement) -> Iterator[Rendered]:
        """The blocks inside an element; what stands between block elements becomes paragraphs."""
        run = [_words(element.text)]
        for child in element:
            if _is_block(child):
                yield _paragraph(run)
                yield from self._block(child)
                run = [_words(child.tail)]
            else:
                run += [self._inline(child), _words(child.tail)]
        yield _paragraph(run)

    def _block(self, element: HtmlElement) -> Iterator[Rendered]:
        tag = element.tag
        if tag in HEADINGS:
            yield self._heading(element)
        elif tag in ("ul", "ol", "menu", "dir"):
            yield self._list(element)
        elif tag == "pre":
            yield _preformatted(element)
        elif tag == "blockquote":
            yield self._quote(element)
        elif tag == "table":
            yield from self._table(element)
        elif tag == "hr":
            yield Rendered("", "---")
        else:
            yield from self.blocks(element)

    def _heading(self, element: HtmlElement) -> Rendered:
        inside = _one_line(_stacked(self.blocks(element)))
        return Rendered(inside.text, f"{'#' * HEADINGS[element.tag]} {inside.markdown}") if inside else inside

    def _quote(self, element: HtmlElement) -> Rendered:
        inside = _stacked(self.blocks(element))
        return Rendered(inside.text, "\n".join(f"> {line}".rstrip() for line in inside.markdown.split("\n")))

    def _list(self, element: HtmlElement) -> Rendered:
        items = [_stacked(self.blocks(child)) for child in element if isinstance(child.tag, str)]
        texts, markdowns = [], []
        for number, item in enumerate(filter(None, items), start=_start(element)):
            marker = f"{number}. " if element.tag == "ol" else "- "
            texts.append(_hanging(marker, item.text))
            markdowns.append(_hanging(marker, item.markdown))
        return Rendered("\n".join(texts), "\n".join(markdowns))

    def _table(self, element: HtmlElement) -> Iterator[Rendered]:
        rows = [[_stacked(self.blocks(cell)) for cell in row.iterchildren("td", "th")] for row in _own_rows(element)]
        rows = [row for row in rows if any(row)]
        caption = element.find("caption")
        if caption is not None:
            yield _stacked(self.blocks(caption))
        if _is_layout(rows, element):
            yield from (cell for row in rows for cell in row)
        elif rows:
            yield _grid([[_one_line(cell) for cell in row] for row in rows])

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
            return _code("".join(element.itertext()))
        inside = _joined([_words(element.text), *self._inline_children(element)])
        if tag == "a":
            return self._link(element, inside)
        return _marked(inside, MARKERS[tag]) if tag in MARKERS else inside

    def _inline_children(self, element: HtmlElement) -> Iterator[Rendered]:
        for child in element:
            if _is_block(child):
                # A block inside an inline element, such as a linked card: keep its words apart.
                yield from (Rendered(" ", " "), _one_line(_stacked(self._block(child))), Rendered(" ", " "))
            else:
                yield self._inline(child)
            yield _words(child.tail)

    def _link(self, element: HtmlElement, inside: Rendered) -> Rendered:
        url = self._absolute(element.get("href"))
        label = inside.markdown.strip()
        if url is None or not label or not inside.text.strip():
            return inside
        return Rendered(inside.text, _outside_spaces(inside.markdown, f"[{label}]({url})"))

    def _image(self, element: HtmlElement) -> Rendered:
        url = self._absolute(element.get("src"))
        alt = _one_line(_words(element.get("alt"))).markdown.strip()
        return Rendered("", f"![{alt}]({url})" if url and alt else "")

    def _absolute(self, href: str | None) -> str | None:
        """An absolute URL that is safe to link to and cannot end the Markdown link, or None."""
        try:
            url = urljoin(self._base_url or "", (href or "").strip())
            scheme = urlsplit(url).scheme.lower()
        except ValueError:
            return None
        if scheme not in SCHEMES:
            return None
        return re.sub(r"[\s()<>\\]", lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), url)


def _is_block(element: HtmlElement) -> bool:
    return element.tag in BLOCKS


def _paragraph(run: Iterable[Rendered]) -> Rendered:
    joined = _joined(run)
    text = _tidy_lines(joined.text)
    markdown = "\n".join(
        _LINE_START.sub(r"\1\\\2", line) for line in _tidy_lines(joined.markdown, keep="  ").split("\n")
    )
    return Rendered(text, markdown)


def _joined(run: Iterable[Rendered]) -> Rendered:
    pieces = list(run)
    return Rendered("".join(piece.text for piece in pieces), "".join(piece.markdown for piece in pieces))


def _tidy_lines(text: str, *, keep: str = "") -> str:
    """Collapse spaces, line by line; `keep` is how a hard break is spelt."""
    lines = [re.sub(r" {2,}", " ", line).strip() for line in text.strip().split("\n")]
    return f"{keep}\n".join(line for line in lines if line)


def _words(text: str | None) -> Rendered:
    plain = _SPACE.sub(" ", text or "")
    return Rendered(plain, _SPECIAL.sub(lambda found: "\\" + found[0], plain))


def _one_line(piece: Rendered) -> Rendered:
    return Rendered(" ".join(piece.text.split()), " ".join(piece.markdown.split()))


def _marked(inside: Rendered, marker: str) -> Rendered:
    label = inside.markdown.strip()
    return Rendered(inside.text, _outside_spaces(inside.markdown, f"{marker}{label}{marker}")) if label else inside


def _outside_spaces(original: str, core: str) -> str:
    """Put the spaces around `original` around `core`: Markdown ignores a marker next to a space."""
    before = " " if original[:1].isspace() else ""
    return f"{before}{core}{' ' if original[-1:].isspace() else ''}"


def _code(text: str) -> Rendered:
    plain = " ".join(text.split())
    fence = "`" * (_longest_run(plain, "`") + 1)
    space = " " if "`" in plain else ""
    return Rendered(plain, f"{fence}{space}{plain}{space}{fence}" if plain else "")


def _preformatted(element: HtmlElement) -> Rendered:
    for line_break in element.iter("br"):
        line_break.text = "\n"
    code = "".join(element.itertext()).strip("\n").rstrip()
    fence = "`" * max(3, _longest_run(code, "`") + 1)
    return Rendered(code, f"{fence}{_language(element)}\n{code}\n{fence}" if code else "")


def _language(element: HtmlElement) -> str:
    """The language of a code block, by the class names that highlighters use."""
    classes = " ".join(node.get("class") or "" for node in (element, *element.iterchildren("code")))
    found = re.search(r"(?:^|\s)(?:language|lang|brush:?)[-\s]([\w+#-]{1,20})", classes)
    return found[1] if found else ""


def _longest_run(text: str, character: str) -> int:
    return max(map(len, re.findall(f"{character}+", text)), default=0)


def _hanging(marker: str, text: str) -> str:
    """A list item with its further lines indented under the first."""
    return marker + text.replace("\n\n", "\n").replace("\n", "\n" + " " * len(marker))


def _start(element: HtmlElement) -> int:
    start = element.get("start") or ""
    return int(start) if start.isascii() and start.isdigit() and len(start) < 7 else 1


def _own_rows(table: HtmlElement) -> Iterator[HtmlElement]:
    for child in table:
        if child.tag == "tr":
            yield child
        elif child.tag in ("thead", "tbody", "tfoot"):
            yield from child.iterchildren("tr")


def _is_layout(rows: list[list[Rendered]], element: HtmlElement) -> bool:
    """Whether a table only arranges content: one column, one row, nested tables, or whole texts in its cells."""
    cells = [cell for row in rows for cell in row]
    return (
        len(rows) < 2
        or max(map(len, rows)) < 2
        or next(element.iterdescendants("table"), None) is not None
        or any("\n\n" in cell.text for cell in cells)
    )


def _grid(rows: list[list[Rendered]]) -> Rendered:
    width = max(map(len, rows))
    empty = Rendered("", "")
    padded = [row + [empty] * (width - len(row)) for row in rows]
    lines = [f"| {' | '.join(cell.markdown for cell in row)} |" for row in padded]
    lines.insert(1, f"|{' --- |' * width}")
    return Rendered("\n".join("\t".join(cell.text for cell in row).rstrip() for row in padded), "\n".join(lines))


def drop_unrendered(root: HtmlElement) -> None:
    """Remove comments, processing instructions and elements that hold no prose, keeping the text behind them."""
    for node in list(root.iter()):
        if isinstance(node, (_Comment, _ProcessingInstruction)) or node.tag in SKIPPED:
            if node.getparent() is not None:
                node.drop_tree()
