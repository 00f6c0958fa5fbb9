"""Cutting a page down to some of its passages, with the elements around them."""

from collections.abc import Set

from lxml.html import HtmlElement

from stages.extraction.passages import WORD, blocky
from stages.extraction.trees import BLOCKS, LISTS

_OPENED = {"button": "span", "form": "div", "nav": "div"}
_NEVER_EMPTY = frozenset({"hr", "td", "th"})


def prune(body: HtmlElement, kept: Set[tuple[HtmlElement, int]]) -> None:
    """Remove all passages from a tree but those that begin at `kept`: elements and indexes of their children.

    Pictures without words stay where the words before them did. Elements that are left empty go, too; those that hold
    kept passages and would not be read, such as forms, become plain ones.
    """
    _Pruning(blocky(body), kept).block(body)
    for element in reversed(list(body.iterdescendants())):
        if element.tag in _OPENED:
            element.tag = _OPENED[str(element.tag)]
        if element.tag in BLOCKS and element.tag not in _NEVER_EMPTY and not len(element) and not element.text:
            element.drop_tree()


class _Pruning:
    def __init__(self, holders: Set[HtmlElement], kept: Set[tuple[HtmlElement, int]]) -> None:
        self._holders = holders
        self._kept = kept
        self._keeps = False

    def block(self, element: HtmlElement) -> None:
        if element.tag == "pre":
            self._cut(element, 0, None, list(element))
            return
        start, previous = 0, None
        run: list[HtmlElement] = []
        for index, child in enumerate(list(element)):
            if child.tag in BLOCKS or child in self._holders or element.tag in LISTS:
                self._cut(element, start, previous, run)
                self.block(child)
                start, previous, run = index + 1, child, []
            else:
                run.append(child)
        self._cut(element, start, previous, run)

    def _cut(self, element: HtmlElement, start: int, previous: HtmlElement | None, run: list[HtmlElement]) -> None:
        """Remove a run of text and inline elements, which begins behind the block `previous`, unless it is kept."""
        lead = element.text if previous is None else previous.tail
        if not lead and not run:
            return
        if (element, start) in self._kept:
            self._keeps = True
        elif WORD.search(lead or "") or any(map(_has_words, run)):
            self._keeps = False
        if self._keeps:
            return
        if previous is None:
            element.text = None
        else:
            previous.tail = None
        for child in run:
            element.remove(child)


def _has_words(element: HtmlElement) -> bool:
    return any(WORD.search(str(text)) for text in (*element.itertext(), element.tail or ""))
