"""What markup is held to before a parser sees it, in one linear pass.

libxml2 takes quadratic time over the attributes of one tag (50,000 of them, 440 kB, took 40 s), and stops reading, with
no more than a line in its log, where elements nest deeper than 2048.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

MAX_ATTRIBUTES = 256
"""Of one tag; what comes after them is dropped."""
MAX_OPEN = 400
"""Elements of one name that are open at once; the tags of further ones are dropped, what they hold is kept."""

# Possessive throughout, so that no text makes them go back.
_ATTRIBUTE = r"""[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s>]*+))?+"""
_RAW = "script|style|textarea|title|xmp|iframe|noembed|noframes"
# Spelled out: CPython 3.11 loses count of a group that stands within a possessive repeat.
_RAW_ELEMENTS = "|".join(rf"<{name}(?=[\s/>])(?:[^<]++|<(?!/{name}[\s/>]))*+" for name in _RAW.split("|"))
_TOKEN = re.compile(
    rf"""<!--(?:[^-]++|-(?!->))*+
    |{_RAW_ELEMENTS}
    |</(?P<closed>[a-z][^\s/>]*+)[^>]*+>?
    |<(?P<opened>[a-z][^\s/>]*+)(?:[\s/]++|{_ATTRIBUTE})*+>?""".replace("\n    ", ""),
    re.IGNORECASE | re.DOTALL,
)
_WITHIN = re.compile(
    rf"""(?:[^<]++
    |<!--(?:[^-]++|-(?!->))*+
    |{_RAW_ELEMENTS}
    |<(?!(?:{_RAW})[\s/>])[a-z][^\s/>]*+(?:[\s/]*+{_ATTRIBUTE}){{0,{MAX_ATTRIBUTES}}}+[\s/]*+(?:>|\Z)
    |<(?![a-z])(?!!--))*+""".replace("\n    ", ""),
    re.IGNORECASE | re.DOTALL,
)
"""A whole page of which no tag is overfull; matched in a single call, as most pages are."""
_FIRST_ATTRIBUTES = re.compile(
    rf"<[a-z][^\s/>]*+(?:[\s/]*+{_ATTRIBUTE}){{{MAX_ATTRIBUTES}}}", re.IGNORECASE | re.DOTALL
)
_SHORTEST_OVERFULL = 2 * MAX_ATTRIBUTES
# Elements that never nest, or whose end tags are commonly left out.
_NOT_COUNTED = frozenset(
    {"area", "base", "body", "br", "col", "colgroup", "dd", "dt", "embed", "head", "hr", "html", "img", "input", "li"}
    | {"link", "meta", "option", "optgroup", "p", "param", "rp", "rt", "source", "tbody", "td", "tfoot", "th", "thead"}
    | {"tr", "track", "wbr"}
)
MANY_BREAKS = 20
_BREAKS = re.compile(rf"(?:<br\b[^<>]*+>\s*+){{{MANY_BREAKS},}}+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Bounded:
    """Markup within bounds, and what it took."""

    html: str
    attributes_dropped: bool = False
    is_flattened: bool = False


def bounded(html: str, *, flatten: bool = False) -> Bounded:
    """Hold a page to `MAX_ATTRIBUTES`, to `MAX_OPEN` as well if asked, and shorten long rows of line breaks, which
    extractors walk over again and again. A page within these bounds comes back as it is.

    >>> bounded("<p class=a>text").html
    '<p class=a>text'
    >>> found = bounded("<b " + "x=1 " * 300 + ">" + "<i>" * 500 + "deep", flatten=True)
    >>> found.html.count("x=1"), found.html.count("<i>"), found.html[-4:]
    (256, 400, 'deep')
    >>> found.attributes_dropped, found.is_flattened
    (True, True)
    """
    if html.count("<br") + html.count("<BR") >= MANY_BREAKS:
        html = _BREAKS.sub("<br><br>", html)
    if not flatten and _WITHIN.fullmatch(html):
        return Bounded(html)
    cuts = tuple(_cuts(html, MAX_OPEN if flatten else len(html)))
    parts: list[str] = []
    end = 0
    for start, stop, instead in cuts:
        parts += (html[end:start], instead)
        end = stop
    kinds = {instead for *_, instead in cuts}
    return Bounded("".join((*parts, html[end:])), attributes_dropped=">" in kinds, is_flattened=" " in kinds)


def _cuts(html: str, max_open: int) -> Iterator[tuple[int, int, str]]:
    """What to replace: from where, to where, and by what."""
    is_open: Counter[str] = Counter()
    for token in _TOKEN.finditer(html):
        opened, closed = token["opened"], token["closed"]
        is_long = opened and token.end() - token.start() >= _SHORTEST_OVERFULL
        if is_long and (first := _FIRST_ATTRIBUTES.match(html, token.start(), token.end())):
            yield first.end(), token.end(), ">"
        name = (opened or closed or "").lower()
        if not name or name in _NOT_COUNTED:
            continue
        surplus = is_open[name] > max_open if closed else is_open[name] >= max_open
        is_open[name] = max(0, is_open[name] + (1 if opened else -1))
        if surplus:
            yield token.start(), token.end(), " "
