"""The content as HTML that is safe to show: what an allow list names, and nothing else of the page."""

from dataclasses import dataclass
from html import escape

import nh3
from lxml.html import HtmlElement, tostring

from stages.contract.nouns import Image, Link
from stages.extraction.addresses import LOADED_SCHEMES, absolute
from stages.extraction.metatags import shown_text

ATTRIBUTES = {
    **{f"h{level}": {"id"} for level in range(1, 7)},
    "a": {"href", "title"},
    "img": {"src", "alt", "title", "width", "height"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "time": {"datetime"},
}
"""The attributes that stay. The only ids are those of headings, which are made here."""
TAGS = frozenset(
    {"p", "br", "hr", "ul", "li", "dl", "dt", "dd", "blockquote", "pre", "code", "kbd", "samp", "var", "div"}
    | {"b", "strong", "em", "i", "u", "s", "del", "ins", "mark", "small", "sub", "sup", "abbr", "cite", "q", "dfn"}
    | {"figure", "figcaption", "details", "summary", "table", "caption", "thead", "tbody", "tfoot", "tr", *ATTRIBUTES}
)
SCHEMES = {"http", "https", "mailto"}
MAX_LISTED = 5_000
"""Links, and images, that are listed."""


@dataclass(frozen=True, slots=True)
class Markup:
    """Sanitized HTML, what it links to and what it shows, each once and in its order."""

    html: str = ""
    links: tuple[Link, ...] = ()
    images: tuple[Image, ...] = ()


def markup_of(root: HtmlElement, base_url: str | None) -> Markup:
    """The content of an element, whose addresses are made absolute on the way."""
    _resolve(root, base_url)
    links = [Link(url=each.get("href", ""), text=shown_text(each)) for each in root.iter("a") if each.get("href")]
    images = [Image(url=each.get("src", ""), alt=each.get("alt", "")) for each in root.iter("img")]
    return Markup(
        html=sanitized(tostring(root, encoding="unicode")),
        links=tuple(dict.fromkeys(links))[:MAX_LISTED],
        images=tuple(dict.fromkeys(images))[:MAX_LISTED],
    )


def sanitized(html: str) -> str:
    """HTML by the allow list; whatever the input, the output runs nothing and reaches nothing by itself but images.

    >>> sanitized('<p onclick="x()">Lock<script>x()</script> <a href="javascript:x()">gate</a>')
    '<p>Lock <a rel="nofollow noopener noreferrer">gate</a></p>'
    """
    # What stands where a table cannot have it is moved before the table; a heading may so come into a heading, which
    # cannot be written down. Only the second time it stays what it is.
    return _cleaned(_cleaned(html)).strip()


def _cleaned(html: str) -> str:
    return nh3.clean(
        html,
        tags=set(TAGS),
        attributes=ATTRIBUTES,
        url_schemes=SCHEMES,
        url_relative="deny",
        link_rel="nofollow noopener noreferrer",
    )


def html_of_text(text: str) -> str:
    """Plain text as HTML that shows it: paragraphs where there are empty lines, breaks where lines end.

    >>> html_of_text("A <b>\\nlock\\n\\nopens")
    '<p>A &lt;b&gt;<br>lock</p>\\n<p>opens</p>'
    """
    paragraphs = (escape(paragraph, quote=False).replace("\n", "<br>") for paragraph in text.split("\n\n"))
    return "\n".join(f"<p>{paragraph}</p>" for paragraph in paragraphs if paragraph.strip())


def _resolve(root: HtmlElement, base_url: str | None) -> None:
    for link in root.iter("a"):
        _set(link, "href", absolute(link.get("href"), base_url))
    for image in list(root.iter("img")):
        _set(image, "src", absolute(image.get("src"), base_url, LOADED_SCHEMES))
        if not image.get("src"):
            image.drop_tree()


def _set(element: HtmlElement, name: str, value: str | None) -> None:
    if value is not None:
        element.set(name, value)
    elif name in element.attrib:
        del element.attrib[name]
