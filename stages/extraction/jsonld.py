"""JSON-LD of a page, read leniently and within bounds: much of what pages carry is not quite JSON."""

import html
import json
import re
from collections.abc import Iterator
from typing import Any

from lxml.html import HtmlElement

Node = dict[str, Any]

MAX_SCRIPTS = 30
MAX_CHARS = 500_000
"""Of one script; longer ones are passed over."""
MAX_NODES = 2_000
_INSIDE = ("@graph", "mainEntity", "mainEntityOfPage", "itemListElement", "item", "hasPart", "about")
"""Properties under which the node that describes the page is found."""
_SCRIPTS = "//script[contains(translate(@type, 'LDJSON', 'ldjson'), 'ld+json')]"
ARTICLES = ("Article", "Posting", "Report")
"""Ends of the names of types that are read rather than used."""
_DESCRIBING = (*ARTICLES, "Question", "Recipe", "Book", "Course", "Event", "Product", "WebPage")
"""Ends of the names of types that describe a page, the most telling ones first."""
_WRAPPING = re.compile(r"^\s*(?:<!--|(?://\s*)?<!\[CDATA\[)|(?:-->|(?://\s*)?\]\]>)\s*(?:;\s*)?$")
# Strings come first, so that what only looks like a comment or a comma inside one is left alone. Strings and comments
# may end with the script, or else each that is never closed would be searched for its end in turn.
_STRAY = re.compile(r'("(?:[^"\\]|\\.?)*+(?:"|\Z))|/\*.*?(?:\*/|\Z)|//[^\n]*|,(?=\s*[}\]])|;\s*$', re.DOTALL)
_BAD_ESCAPE = re.compile(r'\\(?!["\\/bfnrtu])')


def read_json_ld(tree: HtmlElement) -> list[Node]:
    """All nodes that could describe the page, in the order of the page."""
    found: list[Node] = []
    for script in tree.xpath(_SCRIPTS)[:MAX_SCRIPTS]:
        for node in _nodes(_documents(script.text or "")):
            found.append(node)
            if len(found) >= MAX_NODES:
                return found
    return found


def main_node(nodes: list[Node]) -> Node:
    """The node that describes the page; empty where there is none.

    >>> main_node([{"@type": "WebPage", "name": "x"}, {"@type": "NewsArticle", "headline": "y"}])["headline"]
    'y'
    """
    for kind in _DESCRIBING:
        for node in nodes:
            if any(name.endswith(kind) for name in types_of(node)):
                return node
    return {}


def types_of(node: Node) -> frozenset[str]:
    """The names of a node's types, without their vocabulary.

    >>> sorted(types_of({"@type": ["https://schema.org/NewsArticle", "Thing"]}))
    ['NewsArticle', 'Thing']
    """
    return frozenset(re.split(r"[/#:]", name)[-1] for name in texts_of(node.get("@type")))


def text_of(value: Any) -> str | None:
    """A value as text, whether it is given plainly, in a list or as a node with a name or a value.

    >>> text_of([{"@type": "Person", "name": "Ana Weir"}]), text_of({"@value": "x"}), text_of(None)
    ('Ana Weir', 'x', None)
    """
    return next(iter(texts_of(value)), None)


def url_of(value: Any) -> str | None:
    """A value as a URL: plain, or of a node such as ImageObject."""
    if isinstance(value, list):
        return next(filter(None, map(url_of, value[:10])), None)
    if isinstance(value, dict):
        return next(filter(None, (url_of(value.get(key)) for key in ("url", "contentUrl", "@id"))), None)
    return value if isinstance(value, str) and value.strip() else None


def texts_of(value: Any) -> list[str]:
    """All values as text, as `text_of` gives the first."""
    if isinstance(value, list):
        return [text for each in value[:50] if not isinstance(each, list) for text in texts_of(each)]
    if isinstance(value, dict):
        return texts_of(value.get("name") or value.get("@value") or value.get("headline"))
    return [html.unescape(value)] if isinstance(value, str) and value.strip() else []


def _documents(script: str) -> list[Any]:
    """The JSON values of a script: as it stands, or else repaired, or else as far as it can be read."""
    if len(script) > MAX_CHARS:
        return []
    plain = _WRAPPING.sub("", _WRAPPING.sub("", script)).strip()
    for readable in _readings(plain):
        try:
            return [json.loads(readable, strict=False)]
        except RecursionError:
            return []
        except ValueError:
            continue
    return list(_in_a_row(_without_strays(plain)))


def _readings(script: str) -> Iterator[str]:
    yield script
    yield _without_strays(script)
    if "&quot;" in script:
        yield _without_strays(html.unescape(script))


def _without_strays(script: str) -> str:
    """Without comments, commas before a closing bracket, and escapes that JSON does not know.

    >>> _without_strays('{"a": "// b,]", /* c */ "d": [1,],}')
    '{"a": "// b,]",  "d": [1]}'
    """
    return _BAD_ESCAPE.sub(r"\\\\", _STRAY.sub(lambda found: found[1] or "", script))


def _in_a_row(script: str) -> Iterator[Any]:
    """Values that follow one another without being a list; what is broken ends them."""
    decoder = json.JSONDecoder(strict=False)
    at = 0
    while (at := _next_value(script, at)) >= 0:
        try:
            value, at = decoder.raw_decode(script, at)
        except (ValueError, RecursionError):
            return
        yield value


def _next_value(script: str, start: int) -> int:
    found = re.compile(r"[{\[]").search(script, start)
    return found.start() if found else -1


def _nodes(documents: list[Any]) -> Iterator[Node]:
    """Breadth first, so that the outermost node comes first."""
    level = documents
    for _ in range(6):
        deeper: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                yield value
                deeper += [value[key] for key in _INSIDE if isinstance(value.get(key), (dict, list))]
            elif isinstance(value, list):
                deeper += value[:MAX_NODES]
        level = deeper
