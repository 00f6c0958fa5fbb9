"""The article of a page: chosen, checked, rendered. Pure functions of a page's text."""

import re

from lxml.html import HtmlElement

from stages.contract import Permanent
from stages.extraction.addresses import base_url_of
from stages.extraction.choosing import choose
from stages.extraction.counting import word_count
from stages.extraction.extracted import Extracted, described
from stages.extraction.metadata import metadata_of
from stages.extraction.rendering import Rendered, render
from stages.extraction.trees import drop_unrendered, read_page

MIN_WORDS = 5
"""Less than this is no article."""
MIN_LIST_CHARS = 400
MIN_CONFIDENCE = 0.3
"""Links that are fewer, or less probably content, are a menu."""


def extract_html(html: str, url: str | None) -> Extracted:
    """Extract the article of an HTML page.

    Raises `Permanent`: `no_article` when there is no running text, `parse_failed` when it cannot be parsed.
    """
    page = read_page(html)
    tree = page.tree
    base_url = base_url_of(tree, url)
    main = choose(page, url)
    chosen = _rendered(main.body, base_url)
    if not _is_article(chosen, main.confidence):
        raise Permanent("no_article")
    return described(chosen, metadata_of(tree, url), base_url, warnings=page.warnings)


def _rendered(root: HtmlElement, base_url: str | None) -> Rendered:
    drop_unrendered(root)
    return render(root, base_url)


def _is_article(chosen: Rendered, confidence: float) -> bool:
    """Whether there is content: a few words do, unless they are links and probably a menu."""
    if confidence >= MIN_CONFIDENCE and len(chosen.text) >= MIN_LIST_CHARS:
        return True
    return word_count(chosen.text) >= MIN_WORDS and not _is_mostly_links(chosen)


def _is_mostly_links(chosen: Rendered) -> bool:
    linked = sum(word_count(label) for label in re.findall(r"(?<!!)\[((?:\\.|[^\]\\])*)\]\(", chosen.markdown))
    return linked > 0.8 * word_count(chosen.text)
