"""A page as an element tree that is safe to walk: read leniently, bounded in depth, without what it hides."""

import re
from copy import deepcopy
from dataclasses import dataclass, field

import lxml.html
from lxml.etree import LxmlError, ParserError, _Comment, _ProcessingInstruction, iterwalk, strip_tags
from lxml.html import HtmlElement

from stages.contract import Permanent
from stages.extraction.bounds import bounded

MAX_DEPTH = 100
"""Elements nested deeper are dissolved into their ancestors; all walks over a tree may recurse."""
SKIPPED = frozenset(
    {"audio", "button", "canvas", "form", "head", "iframe", "input", "link", "meta", "nav", "noscript", "object", "rp"}
    | {"rt", "script", "select", "style", "svg", "template", "textarea", "video"}
)
"""Elements that hold no prose."""
UNREAD = SKIPPED - {"button", "form", "nav"}
"""Elements whose text is never read. The others may hold content: questions on buttons, whole pages in forms."""
HEADINGS = {f"h{level}": level for level in range(1, 7)}
LISTS = frozenset({"dir", "menu", "ol", "ul"})
BLOCKS = frozenset(
    {
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "dir",
        "div",
        "dl",
        "dt",
    }
    | {
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "header",
        "hr",
        "html",
        "li",
        "main",
        "menu",
        "nav",
        "ol",
        "p",
        "pre",
    }
    | {"section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul", *HEADINGS}
)
LINK_SCHEMES = frozenset({"http", "https", "mailto"})
_LAZY = ("data-src", "data-lazy-src", "data-original")
_HIDING_STYLE = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)\b", re.IGNORECASE)
_SCHEME = re.compile(r"[\x00-\x20]*([a-z][a-z0-9+.\-\s]*):", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_CONTROL_NUMBER = re.compile(
    r"&#(?:[xX]0*(?:1?[0-9a-fA-F]|7[fF]|[fF]{3}[eEfF])(?![0-9a-fA-F])|0*(?:[12]?[0-9]|3[01]|127|6553[45])(?![0-9]))"
)
_PAGE_WRAPPERS = ("form", "nav", "noscript")
_WRAPPER_CHARS = 500
_HIDDEN_TIMES = 5
_SHOWN_CHARS = 50_000
_DISSOLVED = "too-deep"


@dataclass(frozen=True, slots=True)
class Parsed:
    """A page as a tree, and words of `stages.contract.WARNINGS` about what is missing from it."""

    tree: HtmlElement
    html: str
    """What it was made from, within bounds."""
    held: list[HtmlElement] = field(repr=False, compare=False)
    """All elements: unless they are held, lxml makes a new object for one each time that it is met."""
    warnings: tuple[str, ...] = ()


def parse_page(html: str) -> HtmlElement:
    """The tree of `read_page` alone."""
    return read_page(html).tree


def read_page(html: str) -> Parsed:
    """Read a whole page, however malformed.

    Raises `Permanent`: `no_article` when there is no content, `parse_failed` when the parser gives up.
    """
    page = bounded(html.replace("\x00", ""))
    tree, is_cut = _parsed(page.html)
    if is_cut:
        page = bounded(page.html, flatten=True)
        tree, is_cut = _parsed(page.html)
    held = list(tree.iter())
    if _CONTROL.search(page.html) or _CONTROL_NUMBER.search(page.html):
        _drop_control_characters(tree)
    _reveal_root(tree)
    _open_page_wrappers(tree)
    _disarm_links(tree)
    _load_images(tree)
    was_deep = _bound_depth(tree)
    found = {
        "content_cut": is_cut,
        "structure_flattened": page.is_flattened or was_deep,
        "attributes_dropped": page.attributes_dropped,
    }
    return Parsed(tree, page.html, held, tuple(word for word, holds in found.items() if holds))


def _parsed(html: str) -> tuple[HtmlElement, bool]:
    """What lxml makes of a page, and whether it stopped before the end."""
    # As bytes, so that no encoding the page names, which no longer holds, is believed.
    data = html.encode("utf-8", "replace")
    # Without `huge_tree` lxml silently drops what is nested deeper than 256.
    parser = lxml.html.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)
    try:
        tree = lxml.html.document_fromstring(data, parser=parser)
        is_cut = any(entry.level_name == "FATAL" for entry in parser.error_log)
    except ParserError as error:
        raise Permanent("no_article") from error
    except LxmlError as error:
        raise Permanent("parse_failed") from error
    if tree.find("body") is None:
        raise Permanent("no_article")
    return tree, is_cut


def body_of(tree: HtmlElement) -> HtmlElement:
    """The body of a page that `read_page` has read: it has one."""
    body = tree.find("body")
    if body is None:
        raise Permanent("no_article")
    return body


def without_hidden(tree: HtmlElement) -> HtmlElement:
    """A copy of a page without the elements that are not shown."""
    shown = deepcopy(tree)
    for element in shown.xpath("//body//*[@hidden or @style]"):
        if "hidden" in element.attrib or _HIDING_STYLE.search(element.get("style", "")):
            element.drop_tree()
    return shown


def readable(tree: HtmlElement) -> HtmlElement:
    """A copy of a page with what may hold content: without hidden and unread elements.

    Where nearly nothing is shown until scripts have run, what is hidden is the page.
    """
    shown = _without_unread(without_hidden(tree))
    # What stands in links can only make it longer.
    if len(shown.text_content()) < _SHOWN_CHARS and _shows_little(shown, tree):
        return _without_unread(deepcopy(tree))
    return shown


def _without_unread(tree: HtmlElement) -> HtmlElement:
    for element in list(tree.iter(*UNREAD)):
        if element.tag != "head" and element.getparent() is not None:
            element.drop_tree()
    return tree


def _shows_little(shown: HtmlElement, tree: HtmlElement) -> bool:
    chars = _prose_chars(shown)
    return chars < _WRAPPER_CHARS and _prose_chars(tree) > _HIDDEN_TIMES * chars


def drop_unrendered(root: HtmlElement) -> None:
    """Remove comments, processing instructions and elements that hold no prose, keeping the text behind them."""
    for node in list(root.iter()):
        unrendered = isinstance(node, (_Comment, _ProcessingInstruction)) or node.tag in SKIPPED
        if unrendered and node.getparent() is not None:
            node.drop_tree()


def _drop_control_characters(tree: HtmlElement) -> None:
    """lxml reads them, by character reference too, but refuses to write them back when a tree is changed."""
    for element in tree.iter():
        if element.text and _CONTROL.search(element.text):
            element.text = _CONTROL.sub("", element.text)
        if element.tail and _CONTROL.search(element.tail):
            element.tail = _CONTROL.sub("", element.tail)
        for name, value in element.items():
            if _CONTROL.search(value):
                element.set(name, _CONTROL.sub("", value))


def _reveal_root(tree: HtmlElement) -> None:
    """Pages hide themselves until their scripts have run; readability would take them at their word."""
    for element in (tree, *tree.iterchildren("body")):
        for name in ("hidden", "style", "aria-hidden"):
            element.attrib.pop(name, None)


def _open_page_wrappers(tree: HtmlElement) -> None:
    """Make plain blocks of what extractors pass over, where it holds most of the page's prose.

    Some frameworks put whole pages into a form, some forums theirs into noscript, and a nav may never be closed.
    """
    wrappers = [wrapper for wrapper in tree.iter(*_PAGE_WRAPPERS) if len(wrapper.text_content()) >= _WRAPPER_CHARS]
    whole = _prose_chars(tree) if wrappers else 0
    for wrapper in wrappers:
        if (chars := _prose_chars(wrapper)) >= _WRAPPER_CHARS and chars > whole / 2:
            wrapper.tag = "div"


def _prose_chars(element: HtmlElement) -> int:
    # `.//text()` would give the same, sorted in quadratic time.
    texts = element.xpath("descendant::text()[not(parent::script or parent::style or ancestor::a)]")
    return sum(len(text.strip()) for text in texts)


def _disarm_links(tree: HtmlElement) -> None:
    """Take away `javascript:`, `data:` and the like, which readability would turn into the page's own address."""
    for link in tree.iter("a"):
        scheme = _SCHEME.match(link.get("href", ""))
        if scheme and "".join(scheme[1].split()).lower() not in LINK_SCHEMES:
            del link.attrib["href"]


def _load_images(tree: HtmlElement) -> None:
    """Put addresses into `src` that pages keep elsewhere until their scripts have run."""
    for image in tree.iter("img"):
        if (image.get("src") or "data:").startswith("data:"):
            lazy = next(filter(None, (image.get(name) for name in _LAZY)), None)
            if lazy:
                image.set("src", lazy)


def _bound_depth(tree: HtmlElement) -> bool:
    """Whether something had to be dissolved."""
    deep = _deeper_than(tree, MAX_DEPTH)
    for element in deep:
        if element.tag in SKIPPED:
            element.drop_tree()
            continue
        element.tag = _DISSOLVED
        # Words of what were blocks must not run together.
        element.text = f" {element.text or ''}"
        element.tail = f" {element.tail or ''}"
    strip_tags(tree, _DISSOLVED)
    return bool(deep)


def _deeper_than(tree: HtmlElement, depth: int) -> list[HtmlElement]:
    found, level = [], 0
    for event, element in iterwalk(tree, events=("start", "end")):
        level += 1 if event == "start" else -1
        if event == "start" and level > depth:
            found.append(element)
    return found
