"""A page as a sequence of passages: runs of words inside one block, each in a tree of boxes that know their weight."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

from lxml.html import HtmlElement

from stages.extraction.trees import BLOCKS, LISTS, UNREAD

WORD = re.compile(r"\w+")
MAX_PASSAGES = 20_000
"""What comes after so many is not read; real pages have a few hundred."""
REPEATED_WORDS = 8
"""A passage of so many words counts once: pages hold copies of their text for small screens."""


@dataclass(eq=False, slots=True)
class Box:
    """A block element, or an inline one that holds blocks: where passages stand."""

    parent: "Box | None"
    tag: str
    names: str
    """Class, id and role."""
    depth: int
    words: int = 0
    linked: float = 0.0
    """Words inside links."""
    passages: int = 0
    children: dict[tuple[str, str], int] = field(default_factory=dict)
    """How many boxes of the same tag and names it holds."""

    @property
    def unlinked(self) -> float:
        """Words outside links."""
        return self.words - self.linked

    def most_alike(self) -> int:
        """How many of its boxes are of one kind, at most."""
        return max(self.children.values(), default=0)

    def lineage(self) -> Iterator["Box"]:
        """The box and all around it, from the inside out."""
        box: Box | None = self
        while box is not None:
            yield box
            box = box.parent


@dataclass(eq=False, slots=True)
class Passage:
    """A run of text and inline elements. `element` and `start`, a child's index, say where it begins."""

    element: HtmlElement
    start: int
    box: Box
    text: str
    words: list[str]
    """In lower case."""
    linked: float
    """Words inside links."""


def passages_of(body: HtmlElement) -> list[Passage]:
    """All passages of a page, in order; of long ones that are repeated the first."""
    walk = _Walk(blocky(body))
    walk.block(body, walk.box_of(body, None), linked=False)
    for box in reversed(walk.boxes):
        if box.parent:
            box.parent.words += box.words
            box.parent.linked += box.linked
            box.parent.passages += box.passages
    return walk.found


def blocky(root: HtmlElement) -> set[HtmlElement]:
    """The inline elements that hold blocks, such as a linked card."""
    found: set[HtmlElement] = set()
    for element in root.iter(*BLOCKS):
        around = element.getparent()
        while around is not None and around.tag not in BLOCKS and around not in found:
            found.add(around)
            around = around.getparent()
    return found


class _Walk:
    def __init__(self, holders: set[HtmlElement]) -> None:
        self._holders = holders
        self._seen: dict[str, Box | None] = {}
        self.found: list[Passage] = []
        self.boxes: list[Box] = []

    def block(self, element: HtmlElement, box: Box, *, linked: bool) -> None:
        if element.tag == "pre":
            self._take(element, 0, box, [(f"{text} ", linked) for text in element.itertext()])
            return
        start = 0
        pieces = _pieces(element.text, linked=linked)
        for index, child in enumerate(element):
            tag = child.tag
            if isinstance(tag, str) and tag not in UNREAD:
                if tag in BLOCKS or child in self._holders or element.tag in LISTS:
                    self._take(element, start, box, pieces)
                    self.block(child, self.box_of(child, box), linked=linked or tag == "a")
                    start = index + 1
                    pieces = _pieces(child.tail, linked=linked)
                    continue
                _inline(child, pieces, linked=linked)
            if child.tail:
                pieces.append((child.tail, linked))
        self._take(element, start, box, pieces)

    def box_of(self, element: HtmlElement, parent: Box | None) -> Box:
        names = " ".join(filter(None, map(element.get, ("class", "id", "role")))) if parent else ""
        box = Box(parent, str(element.tag), names, parent.depth + 1 if parent else 0)
        if parent:
            kind = (box.tag, element.get("class") or "")
            parent.children[kind] = parent.children.get(kind, 0) + 1
        self.boxes.append(box)
        return box

    def _take(self, element: HtmlElement, start: int, box: Box, pieces: list[tuple[str, bool]]) -> None:
        if not pieces:
            return
        text = " ".join("".join([piece for piece, _ in pieces]).split())
        words = WORD.findall(text.lower()) if text else []
        if not words or len(self.found) >= MAX_PASSAGES or self._is_repeated(text, words, box):
            return
        linked = sum([len(piece.strip()) for piece, is_linked in pieces if is_linked])
        chars = sum([len(piece.strip()) for piece, _ in pieces]) if linked else 1
        passage = Passage(element, start, box, text, words, linked / chars * len(words))
        self.found.append(passage)
        box.words += len(words)
        box.linked += passage.linked
        box.passages += 1

    def _is_repeated(self, text: str, words: list[str], box: Box) -> bool:
        """Whether a passage of some length stands elsewhere, too; a page may repeat itself in one place."""
        if len(words) < REPEATED_WORDS:
            return False
        return self._seen.setdefault(text, box.parent) is not box.parent


def _pieces(text: str | None, *, linked: bool) -> list[tuple[str, bool]]:
    """Where a run begins; white space does not begin one."""
    return [(text, linked)] if text and not text.isspace() else []


def _inline(element: HtmlElement, pieces: list[tuple[str, bool]], *, linked: bool) -> None:
    tag = element.tag
    if not isinstance(tag, str) or tag in UNREAD:
        return
    linked = linked or tag == "a"
    pieces.append((" " if tag == "br" else element.text or "", linked))
    for child in element:
        _inline(child, pieces, linked=linked)
        if child.tail:
            pieces.append((child.tail, linked))


class Choice:
    """What another extractor kept, for looking passages up in."""

    def __init__(self, pieces: Iterable[str]) -> None:
        lines = [WORD.findall(piece) for piece in "\n".join(pieces).lower().split("\n")]
        self._short = {tuple(line) for line in lines if len(line) < 3}
        self._threes = set(_threes(list(chain.from_iterable(lines))))

    def share_of(self, words: list[str]) -> float:
        """How much of a passage was kept, from 0 to 1."""
        if len(words) < 3:
            return float(tuple(words) in self._short)
        return sum(map(self._threes.__contains__, _threes(words))) / (len(words) - 2)


def _threes(words: list[str]) -> Iterator[tuple[str, str, str]]:
    return zip(words, islice(words, 1, None), islice(words, 2, None), strict=False)
