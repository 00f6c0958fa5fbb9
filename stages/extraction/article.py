"""The article of a page: chosen by readability, checked, rendered. Pure functions of a page's text."""

import re
from dataclasses import dataclass

import lxml.html
from lxml.etree import ParserError
from lxml.html import HtmlElement
from readability import Document
from readability.readability import Unparseable
from trafilatura import bare_extraction

from stages.contract import Permanent
from stages.extraction.counting import word_count
from stages.extraction.language import language_of
from stages.extraction.metadata import PageMetadata, metadata_of
from stages.extraction.rendering import Rendered, drop_unrendered, render

MIN_WORDS = 5
"""Less than this is no article."""
SUSPICIOUS_SHARE = 0.1
"""When readability keeps less of a page's prose than this, it has probably picked the wrong node."""
MIN_PROSE_WORDS = 60


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was found in a page. Plain values, so that it crosses from the child process cheaply."""

    text: str
    markdown: str
    title: str | None
    byline: str | None
    published: str | None
    language: str | None
    site_name: str | None
    word_count: int


def extract_html(html: str, url: str | None) -> Extracted:
    """Extract the article of an HTML page.

    Raises `Permanent`: `no_article` when there is no running text, `parse_failed` when it cannot be parsed.
    """
    tree = _parse(html)
    _unhide(tree)
    main, title = _by_readability(tree, url)
    chosen = main if _is_plausible(main, tree) else _by_trafilatura(tree, url) or main
    if word_count(chosen.text) < MIN_WORDS or _is_mostly_links(chosen):
        raise Permanent("no_article")
    return _described(chosen, metadata_of(tree, url, title))


def extract_text(text: str, kind: str) -> Extracted:
    """Take plain text or Markdown as it is. Raises `Permanent` with `no_article` when there is none."""
    body = re.sub(r"\n{3,}", "\n\n", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if not word_count(body):
        raise Permanent("no_article")
    return _described(Rendered(body, body), PageMetadata(title=_first_title(body, kind)))


def _described(chosen: Rendered, metadata: PageMetadata) -> Extracted:
    return Extracted(
        text=chosen.text,
        markdown=chosen.markdown,
        title=metadata.title,
        byline=metadata.byline,
        published=metadata.published,
        language=language_of(metadata.stated_language, chosen.text),
        site_name=metadata.site_name,
        word_count=word_count(chosen.text),
    )


def _first_title(body: str, kind: str) -> str | None:
    """The first heading of Markdown; the first line of a text, where it stands alone and is short."""
    if kind == "markdown":
        found = re.search(r"^#{1,2}\s+(.+?)\s*#*$", body, re.MULTILINE)
        return found[1] if found else None
    first, _, rest = body.partition("\n")
    return first.strip() if rest.startswith("\n") and len(first) <= 120 and first[-1] not in ".!?。！？" else None


def _parse(html: str) -> HtmlElement:
    # An XML declaration names an encoding that no longer holds: the text is decoded already.
    undeclared = re.sub(r"^\s*<\?xml[^>]*\?>", "", html)
    try:
        tree = lxml.html.document_fromstring(undeclared.replace("\x00", ""))
    except (ParserError, ValueError) as error:
        raise Permanent("no_article") from error
    if tree.find("body") is None:
        raise Permanent("no_article")
    return tree


def _unhide(tree: HtmlElement) -> None:
    """Pages hide themselves until their scripts have run; readability would take them at their word."""
    for element in (tree, *tree.iterchildren("body")):
        element.attrib.pop("hidden", None)
        element.attrib.pop("style", None)
        element.attrib.pop("aria-hidden", None)


def _by_readability(tree: HtmlElement, url: str | None) -> tuple[Rendered, str | None]:
    document = Document(lxml.html.tostring(tree, encoding="unicode"), url=url)
    try:
        title = document.short_title()
        return _render(document.summary(html_partial=True), url), title
    except (Unparseable, ParserError, ValueError, AttributeError, IndexError, TypeError):
        # Odd trees trip it up in many ways; the other extractor decides then.
        return Rendered("", ""), None


def _by_trafilatura(tree: HtmlElement, url: str | None) -> Rendered | None:
    found = bare_extraction(lxml.html.tostring(tree, encoding="unicode"), url=url, include_comments=False)
    if found is None or isinstance(found, dict) or found.body is None:
        return None
    # Its tree is TEI-like; the words are right, and paragraphs are all the structure that is taken from it.
    paragraphs = [" ".join("".join(node.itertext()).split()) for node in found.body]
    text = "\n\n".join(filter(None, paragraphs))
    return Rendered(text, text) if text else None


def _render(html: str, url: str | None) -> Rendered:
    if not html.strip():
        return Rendered("", "")
    root = lxml.html.fragment_fromstring(html, create_parent="div")
    drop_unrendered(root)
    return render(root, url)


def _is_plausible(main: Rendered, tree: HtmlElement) -> bool:
    """Whether readability's choice holds a fair share of the page's prose."""
    prose = sum(word_count(_own_text(node)) for node in tree.iter("p", "blockquote"))
    words = word_count(main.text)
    return words >= MIN_WORDS and (prose < MIN_PROSE_WORDS or words >= SUSPICIOUS_SHARE * prose)


def _own_text(node: HtmlElement) -> str:
    return "".join(node.itertext())


def _is_mostly_links(chosen: Rendered) -> bool:
    """Whether there is nothing but navigation: nearly all words are link labels, and no sentence is among them."""
    linked = sum(word_count(label) for label in re.findall(r"(?<!!)\[((?:\\.|[^\]\\])*)\]\(", chosen.markdown))
    return linked > 0.8 * word_count(chosen.text) and not re.search(r"[.!?。！？؟।]", chosen.text)
