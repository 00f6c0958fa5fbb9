"""Lists of addresses as such: sitemaps, OPML, and text with a URL on each line."""

import re
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from itertools import islice

from lxml import etree
from lxml.html import Element, HtmlElement

from stages.contract import Permanent
from stages.contract.nouns import ListEntry
from stages.extraction.addresses import LOADED_SCHEMES, absolute
from stages.extraction.dates import iso_date
from stages.extraction.extracted import Extracted, described
from stages.extraction.metadata import PageMetadata
from stages.extraction.rendering import render

MAX_ENTRIES = 50_000
"""As many as https://www.sitemaps.org/protocol.html allows in one file."""
MAX_SHOWN = 500
"""That the text shows; all are in `entries`."""
MAX_TITLE_CHARS = 500
NEWS = "{http://www.google.com/schemas/sitemap-news/0.9}"
DOCTYPE = re.compile(r"<!DOCTYPE[^\[>]*+(?:\[[^\]]*+\]\s*+)?>", re.IGNORECASE)
"""Lists need none, and entities can grow without end."""
_DECLARATION = re.compile(r"\s*+<\?xml[^>]*+>")
_URL_LINE = re.compile(r"https?://\S+", re.IGNORECASE)

Read = Callable[[etree._Element, str | None], ListEntry | None]


def extract_sitemap(text: str, url: str | None) -> Extracted:
    """The pages of a sitemap, or the sitemaps of an index. Raises `Permanent`: `parse_failed`, or `no_article`."""
    return _listing(_listed(text, url, ("url", "sitemap"), _from_sitemap), url)


def extract_opml(text: str, url: str | None) -> Extracted:
    """The feeds and pages of an OPML file. Raises as `extract_sitemap`."""
    return _listing(_listed(text, url, ("outline",), _from_outline), url)


def urls_in(text: str) -> tuple[ListEntry, ...]:
    """The URLs of a text that has one on each line and nothing else.

    >>> [entry.url for entry in urls_in("https://water.example/a\\n\\nhttps://water.example/b\\n")]
    ['https://water.example/a', 'https://water.example/b']
    >>> urls_in("See https://water.example/a")
    ()
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not all(_URL_LINE.fullmatch(line) for line in lines):
        return ()
    addresses = (absolute(line, None, LOADED_SCHEMES) for line in lines)
    return tuple(ListEntry(url=address) for address in islice(filter(None, addresses), MAX_ENTRIES))


def _listed(text: str, url: str | None, names: tuple[str, ...], read: Read) -> tuple[ListEntry, ...]:
    found = (read(element, url) for element in _elements(text, names))
    return tuple(islice(filter(None, found), MAX_ENTRIES))


def _elements(text: str, names: tuple[str, ...]) -> Iterator[etree._Element]:
    """Elements of these names in any namespace, each gone when the next one comes."""
    plain = DOCTYPE.sub("", _DECLARATION.sub("", text, count=1), count=1).encode("utf-8", "replace")
    tags = [f"{{*}}{name}" for name in names]
    parsing = etree.iterparse(
        BytesIO(plain),
        events=("end",),
        tag=tags,
        recover=True,
        resolve_entities=False,
        no_network=True,
        encoding="utf-8",
    )
    try:
        for _, element in parsing:
            yield element
            element.clear(keep_tail=False)
            while (before := element.getprevious()) is not None and (parent := element.getparent()) is not None:
                parent.remove(before)
    except etree.XMLSyntaxError:
        raise Permanent("parse_failed") from None


def _from_sitemap(element: etree._Element, url: str | None) -> ListEntry | None:
    said = {_name(child): child.text for child in element.iterchildren() if isinstance(child.tag, str)}
    address = absolute(said.get("loc"), url, LOADED_SCHEMES)
    if address is None:
        return None
    date, is_index = iso_date(said.get("lastmod")), _name(element) == "sitemap"
    return ListEntry(url=address, title=_title(element.findtext(f".//{NEWS}title")), date=date, is_source=is_index)


def _from_outline(element: etree._Element, url: str | None) -> ListEntry | None:
    title = _title(element.get("title") or element.get("text"))
    if feed := absolute(element.get("xmlUrl"), url, LOADED_SCHEMES):
        return ListEntry(url=feed, title=title, is_source=True)
    address = absolute(element.get("url"), url, LOADED_SCHEMES)
    return None if address is None else ListEntry(url=address, title=title, is_source=element.get("type") == "include")


def _listing(entries: tuple[ListEntry, ...], url: str | None) -> Extracted:
    if not entries:
        raise Permanent("no_article", "Nothing is listed here.")
    root = Element("div")
    root.append(_list(entries[:MAX_SHOWN]))
    return described(render(root, url), PageMetadata(), url, entries=entries)


def _list(entries: Iterable[ListEntry]) -> HtmlElement:
    items = Element("ul")
    for entry in entries:
        item, link = Element("li"), Element("a", href=entry.url)
        link.text = entry.title or entry.url
        item.append(link)
        items.append(item)
    return items


def _name(element: etree._Element) -> str:
    return etree.QName(element).localname


def _title(text: str | None) -> str | None:
    return " ".join((text or "").split())[:MAX_TITLE_CHARS] or None
