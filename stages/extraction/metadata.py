"""What a page says about itself, from JSON-LD, OpenGraph and HTML."""

import re
from dataclasses import dataclass
from datetime import datetime

from lxml.html import HtmlElement
from trafilatura.metadata import extract_metadata

MAX_CHARS = 500
_JSON_DATE = re.compile(r'"datePublished"\s*:\s*"([^"]{8,40})"')
_PLACEHOLDER = re.compile(r"^\[no-\w+\]$")


@dataclass(frozen=True, slots=True)
class PageMetadata:
    """Each None where the page does not say."""

    title: str | None = None
    byline: str | None = None
    published: str | None = None
    site_name: str | None = None
    stated_language: str | None = None


def metadata_of(tree: HtmlElement, url: str | None, fallback_title: str | None) -> PageMetadata:
    """Read the metadata of a whole page; the tree is not changed."""
    found = extract_metadata(tree, default_url=url)
    return PageMetadata(
        title=_clean(found.title) or _clean(fallback_title),
        byline=_clean(found.author),
        published=_published(tree) or _clean(found.date),
        site_name=_clean(found.sitename),
        stated_language=_stated_language(tree),
    )


def _clean(value: str | None) -> str | None:
    words = " ".join((value or "").split())[:MAX_CHARS]
    return None if not words or _PLACEHOLDER.match(words) else words


def _published(tree: HtmlElement) -> str | None:
    """The date or date-time as exactly as a page states it; trafilatura keeps the date alone."""
    stated = tree.xpath("//meta[@property='article:published_time' or @itemprop='datePublished']/@content")
    data = " ".join(tree.xpath("//script[@type='application/ld+json']/text()"))
    return next(filter(None, map(_iso, [*stated, *_JSON_DATE.findall(data)])), None)


def _iso(value: str) -> str | None:
    found = value.strip().replace(" ", "T", 1)
    try:
        datetime.fromisoformat(found)
    except ValueError:
        return None
    return found


def _stated_language(tree: HtmlElement) -> str | None:
    stated = tree.xpath(
        "(/html/@lang | /html/@*[local-name()='xml:lang'] | //body/@lang"
        " | //meta[translate(@http-equiv, 'CONTELAG', 'contelag')='content-language']/@content)[1]"
    )
    return str(stated[0]) if stated else None
