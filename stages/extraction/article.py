"""The article of a page: chosen by readability, checked, rendered. Pure functions of a page's text."""

import logging
import re
from copy import deepcopy

import trafilatura
from lxml.etree import LxmlError
from lxml.html import HtmlElement
from readability import Document
from readability.readability import Unparseable

from stages.contract import Permanent
from stages.extraction.addresses import base_url_of
from stages.extraction.counting import word_count
from stages.extraction.extracted import Extracted, described
from stages.extraction.metadata import metadata_of
from stages.extraction.rendering import Rendered, render
from stages.extraction.trees import SKIPPED, drop_unrendered, parse_page, read_page, without_hidden

# Both log a traceback or a warning for each page that they cannot read; the outcome says it already.
for _library in ("readability", "trafilatura"):
    logging.getLogger(_library).setLevel(logging.CRITICAL)

MIN_WORDS = 5
"""Less than this is no article."""
SUSPICIOUS_SHARE = 0.1
"""When readability keeps less of a page's prose than this, it has probably picked the wrong node."""
MIN_PROSE_WORDS = 60
_NO_PROSE = " or ".join(f"ancestor::{tag}" for tag in sorted({*SKIPPED, "a", "footer"}))
_PROSE = f"/html/body/descendant::text()[not({_NO_PROSE})]"


def extract_html(html: str, url: str | None) -> Extracted:
    """Extract the article of an HTML page.

    Raises `Permanent`: `no_article` when there is no running text, `parse_failed` when it cannot be parsed.
    """
    page = read_page(html)
    tree = page.tree
    base_url = base_url_of(tree, url)
    shown = without_hidden(tree)
    main = _by_readability(shown, base_url)
    chosen = main if _is_plausible(main, shown) else _second_opinion(shown, tree, base_url) or main
    if not _is_article(chosen, shown):
        raise Permanent("no_article")
    return described(chosen, metadata_of(tree, url), base_url, warnings=page.warnings)


def _by_readability(tree: HtmlElement, url: str | None) -> Rendered:
    document = Document(tree, url=url)
    try:
        return _render(document.summary(html_partial=True), url)
    except (Unparseable, LxmlError, ValueError, AttributeError, IndexError, TypeError):
        # Odd trees trip it up in many ways; the other extractor decides then.
        return Rendered("", "")


def _second_opinion(shown: HtmlElement, whole: HtmlElement, url: str | None) -> Rendered | None:
    """What else could be the article: the first choice of fair length, or else the longest."""
    found: list[Rendered] = []
    # Where nearly nothing is shown without scripts, what is hidden is the page.
    for read, tree in ((_by_trafilatura, shown), (_by_trafilatura, whole), (_all_prose, shown)):
        choice = read(tree, url)
        if choice and word_count(choice.text) >= MIN_PROSE_WORDS:
            return choice
        found += [choice] if choice else []
    return max(found, key=lambda choice: word_count(choice.text), default=None)


def _by_trafilatura(tree: HtmlElement, url: str | None) -> Rendered | None:
    if _prose_words(tree) < MIN_WORDS:
        return None
    found = trafilatura.extract(
        deepcopy(tree),
        url=url,
        output_format="html",
        include_comments=False,
        include_formatting=True,
        include_links=True,
    )
    return _render(found, url) if found else None


def _all_prose(tree: HtmlElement, url: str | None) -> Rendered | None:
    """The whole body, where it clearly has running text: better than nothing."""
    if _prose_words(tree) < MIN_PROSE_WORDS:
        return None
    return _render_tree(deepcopy(tree), url)


def _prose_words(tree: HtmlElement) -> int:
    return word_count(" ".join(tree.xpath(_PROSE)))


def _render(html: str, url: str | None) -> Rendered:
    try:
        tree = parse_page(html)
    except Permanent:
        return Rendered("", "")
    return _render_tree(tree, url)


def _render_tree(tree: HtmlElement, url: str | None) -> Rendered:
    drop_unrendered(tree)
    return render(tree, url)


def _is_plausible(main: Rendered, tree: HtmlElement) -> bool:
    """Whether readability's choice holds a fair share of the page's prose."""
    prose = sum(word_count(_own_text(node)) for node in tree.iter("p", "blockquote"))
    words = word_count(main.text)
    return words >= MIN_WORDS and (prose < MIN_PROSE_WORDS or words >= SUSPICIOUS_SHARE * prose)


def _own_text(node: HtmlElement) -> str:
    return "".join(node.itertext())


def _is_article(chosen: Rendered, shown: HtmlElement) -> bool:
    """Whether there is running text: a few words do, unless all the page has is links and a footer."""
    words = word_count(chosen.text)
    if _prose_words(shown) < MIN_WORDS:
        return words >= MIN_PROSE_WORDS and not _is_mostly_links(chosen)
    is_sentence = re.search(r"[.!?。！？؟।]", chosen.text) is not None
    return words >= MIN_WORDS and (is_sentence or not _is_mostly_links(chosen))


def _is_mostly_links(chosen: Rendered) -> bool:
    linked = sum(word_count(label) for label in re.findall(r"(?<!!)\[((?:\\.|[^\]\\])*)\]\(", chosen.markdown))
    return linked > 0.8 * word_count(chosen.text)
