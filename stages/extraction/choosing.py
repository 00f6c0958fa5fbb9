"""The main content of a page: its passages judged, by what they are and by what two extractors make of the page."""

import logging
import re
from copy import deepcopy

import lxml.html
import numpy as np
from lxml.etree import LxmlError
from lxml.html import HtmlElement
from numpy.typing import NDArray
from readability import Document
from readability.readability import Unparseable
from resiliparse.extract.html2text import extract_plain_text

from stages.extraction.features import matrix
from stages.extraction.model import best_choice, trained_model
from stages.extraction.passages import Box, Choice, Passage, passages_of
from stages.extraction.pruning import prune
from stages.extraction.signals import PageSignals
from stages.extraction.trees import body_of, readable

# It logs a traceback for each page that it cannot read; the outcome says it already.
logging.getLogger("readability").setLevel(logging.CRITICAL)
_LAYOUT = re.compile(r"\s{2,}|[\n\r\t]")


def choose(page: HtmlElement, html: str, url: str | None) -> tuple[HtmlElement, float]:
    """A copy of a page's body, cut down to its main content, and how sure that is, from 0 to 1.

    `html` is what the tree was parsed from.
    """
    shown = readable(page)
    body = body_of(shown)
    passages, rows = passages_and_features(shown, page, html, url)
    if not passages:
        return body, 0.0
    lengths = np.array([len(passage.words) for passage in passages], dtype=np.float64)
    probabilities = _tables_whole(passages, trained_model().probabilities(rows))
    is_kept = best_choice(probabilities, lengths)
    prune(body, {(p.element, p.start) for p, keep in zip(passages, is_kept, strict=True) if keep})
    return body, float(np.average(probabilities[is_kept], weights=lengths[is_kept]))


def passages_and_features(
    shown: HtmlElement, page: HtmlElement, html: str, url: str | None
) -> tuple[list[Passage], NDArray[np.float64]]:
    """What the model judges: the passages of the tree that is shown, and a row of numbers for each."""
    passages = passages_of(body_of(shown))
    return passages, matrix(passages, PageSignals.of(page, url), [_by_readability(shown), _by_resiliparse(html)])


def _tables_whole(passages: list[Passage], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """A table stays or goes as a whole: all its cells are as likely as they are on average."""
    tables: dict[Box, list[int]] = {}
    for index, passage in enumerate(passages):
        table = next((box for box in passage.box.lineage() if box.tag == "table"), None)
        if table:
            tables.setdefault(table, []).append(index)
    smooth = probabilities.copy()
    for cells in tables.values():
        smooth[cells] = probabilities[cells].mean()
    return smooth


class _Readability(Document):  # type: ignore[misc]  # it has no types
    """Reads a tree that is clean already, and measures links in it without regular expressions: half of its time."""

    def _parse(self, input: HtmlElement) -> HtmlElement:  # noqa: A002
        self.encoding = "utf-8"
        return deepcopy(input)

    def get_link_density(self, elem: HtmlElement) -> float:
        linked = sum(len(link.text_content()) for link in elem.iter("a"))
        return linked / max(len(elem.text_content()), 1)


def _by_readability(shown: HtmlElement) -> Choice:
    try:
        summary = lxml.html.fromstring(_Readability(_without_layout(shown)).summary(html_partial=True))
    except (Unparseable, LxmlError, ValueError, AttributeError, IndexError, TypeError):
        # Odd trees trip it up in many ways; the page is judged without it then.
        return Choice([])
    return Choice(str(text) for text in summary.itertext())


def _without_layout(shown: HtmlElement) -> HtmlElement:
    """A copy without line breaks and runs of spaces, over which readability's regular expressions are slow."""
    copy = deepcopy(shown)
    for element in copy.iter():
        if element.text:
            element.text = _LAYOUT.sub(" ", element.text)
        if element.tail:
            element.tail = _LAYOUT.sub(" ", element.tail)
    return copy


def _by_resiliparse(html: str) -> Choice:
    try:
        text = extract_plain_text(html, main_content=True, alt_texts=False, list_bullets=False)
    except Exception:
        return Choice([])
    return Choice(text.split("\n"))
