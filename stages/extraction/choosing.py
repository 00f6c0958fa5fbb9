"""The main content of a page: its passages judged, by what they are and by what two extractors make of the page."""

import logging
import re
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
from lxml.etree import LxmlError, strip_elements, strip_tags
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
from stages.extraction.trees import Parsed, body_of, readable

# It logs a traceback for each page that it cannot read; the outcome says it already.
logging.getLogger("readability").setLevel(logging.CRITICAL)
_WEIGHED = frozenset({"class", "href", "id", "itemprop"})
_FURNITURE = ("aside", "button", "footer", "nav")
_INLINE = ("abbr", "b", "em", "font", "i", "img", "label", "picture", "small", "source", "span", "strong", "time", "u")
_KEPT_EMPTY = frozenset({"body", "br", "head", "html", "title"})
_LAYOUT = re.compile(r"\s{2,}|[\n\r\t]")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The main content of a page."""

    body: HtmlElement
    """A copy of the page's, cut down to it."""
    confidence: float
    """How probably its words are content, from 0 to 1."""
    held: list[HtmlElement] = field(repr=False)
    """See `Parsed.held`."""


def choose(page: Parsed, url: str | None) -> Chosen:
    """Find what promises the best F1 of words. The page is not changed."""
    shown = readable(page.tree)
    held = list(shown.iter())
    body = body_of(shown)
    passages, rows = passages_and_features(shown, page, url)
    if not passages:
        return Chosen(body, 0.0, held)
    lengths = np.array([len(passage.words) for passage in passages], dtype=np.float64)
    probabilities = shared(passages, trained_model().probabilities(rows))
    is_kept = best_choice(probabilities, lengths)
    prune(body, {(p.element, p.start) for p, keep in zip(passages, is_kept, strict=True) if keep})
    return Chosen(body, float(np.average(probabilities[is_kept], weights=lengths[is_kept])), held)


def passages_and_features(
    shown: HtmlElement, page: Parsed, url: str | None
) -> tuple[list[Passage], NDArray[np.float64]]:
    """What the model judges: the passages of the tree that is shown, and a row of numbers for each."""
    passages = passages_of(body_of(shown))
    return passages, matrix(
        passages, PageSignals.of(page.tree, url), [_by_readability(shown), _by_resiliparse(page.html)]
    )


def shared(passages: list[Passage], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each probability halfway to the mean of all passages in the same place, such as the cells of a row."""
    places: dict[Box | None, list[int]] = {}
    for index, passage in enumerate(passages):
        places.setdefault(passage.box.parent, []).append(index)
    means = np.empty_like(probabilities)
    for together in places.values():
        means[together] = probabilities[together].mean()
    return (probabilities + means) / 2


class _Readability(Document):  # type: ignore[misc]  # it has no types
    """Reads a tree that is clean already, and gives its text alone: half of its time goes into the rest."""

    def _parse(self, input: HtmlElement) -> HtmlElement:  # noqa: A002
        self.encoding = "utf-8"
        copy = deepcopy(input)
        self._held = list(copy.iter())
        return copy

    def get_link_density(self, elem: HtmlElement) -> float:
        linked = sum(len(link.text_content()) for link in elem.iter("a"))
        return linked / max(len(elem.text_content()), 1)

    def get_clean_html(self) -> str:
        return "\n".join(self.html.itertext())


def _by_readability(shown: HtmlElement) -> Choice:
    try:
        # Without a second, more lenient try where the first finds little: that is an answer, too.
        text = _Readability(_slim(shown), retry_length=0).summary(html_partial=True)
    except (Unparseable, LxmlError, ValueError, AttributeError, IndexError, TypeError):
        # Odd trees trip it up in many ways; the page is judged without it then.
        return Choice([])
    return Choice(text.split("\n"))


def _slim(shown: HtmlElement) -> HtmlElement:
    """A copy without what costs readability time and tells it little: furniture, layout, attributes, empty elements."""
    slim = deepcopy(shown)
    strip_elements(slim, *_FURNITURE, with_tail=False)
    strip_tags(slim, *_INLINE)
    for element in reversed(list(slim.iter())):
        if element.text:
            element.text = _LAYOUT.sub(" ", element.text)
        if element.tail:
            element.tail = _LAYOUT.sub(" ", element.tail)
        for name in set(element.keys()) - _WEIGHED:
            del element.attrib[name]
        if not len(element) and element.tag not in _KEPT_EMPTY and not (element.text or "").strip():
            element.drop_tree()
    return slim


def _by_resiliparse(html: str) -> Choice:
    try:
        text = extract_plain_text(html, main_content=True, alt_texts=False, list_bullets=False)
    except BaseException as error:
        # Where memory ends it panics, which is no `Exception`.
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            return Choice([])
        raise
    return Choice(text.split("\n"))
