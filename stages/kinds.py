"""What kind of content a body is: by its declared type, its name and its first bytes."""

import re

from w3lib.encoding import read_bom

from stages.contract import Permanent
from stages.contract.nouns import PageKind

KIND_OF_MEDIA_TYPE: dict[str, PageKind] = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/plain": "text",
    "text/markdown": "markdown",
    "text/x-markdown": "markdown",
    "application/pdf": "pdf",
    "application/x-pdf": "pdf",
    "application/rss+xml": "feed",
    "application/atom+xml": "feed",
    "application/rdf+xml": "feed",
    "application/feed+json": "feed",
    "text/x-opml": "opml",
    "application/opml+xml": "opml",
}
KIND_OF_SUFFIX: dict[str, PageKind] = {
    "html": "html",
    "htm": "html",
    "xhtml": "html",
    "md": "markdown",
    "markdown": "markdown",
    "txt": "text",
}
UNKNOWN_MEDIA_TYPES = {
    "",
    "application/octet-stream",
    "binary/octet-stream",
    "application/gzip",
    "application/x-gzip",
    "unknown/unknown",
    "application/unknown",
    "*/*",
}
GENERAL_MEDIA_TYPES = {"text/xml", "application/xml", "application/json"}
"""Of feeds and XHTML, and of much that is neither."""

SNIFFED_BYTES = 1445
"""As much as https://mimesniff.spec.whatwg.org/ looks at."""
PDF_WITHIN_BYTES = 1024
"""Readers of PDF accept that much in front of its mark."""

_PDF = b"%PDF-"
_BOM = b"\xef\xbb\xbf"
_MARKUP = re.compile(
    rb"\s*(?:<!--|<\?xml|<(?:!doctype\s+html|html|head|body|title|meta|script|style|article|div|table|h1|p|br|a|b)[\s>/])",
    re.IGNORECASE,
)
_PROLOG = rb"\s*+(?:<\?[^>]*+>\s*+|<!--(?:[^-]|-(?!->))*+-->\s*+|<!doctype[^\[>]*+(?:\[[^\]]*+\]\s*+)?>\s*+)*+"
_XML_LIST = re.compile(_PROLOG + rb"<(?:\w+:)?(rss|feed|rdf|urlset|sitemapindex|opml)[\s>]", re.IGNORECASE)
_KIND_OF_ROOT: dict[bytes, PageKind] = {b"urlset": "sitemap", b"sitemapindex": "sitemap", b"opml": "opml"}
_XHTML = re.compile(_PROLOG + rb"<html[\s>]", re.IGNORECASE)
_JSON_FEED = re.compile(rb"\s*+\{.*?https?:\\?/\\?/jsonfeed\.org\\?/version", re.DOTALL)


def kind_of(body: bytes, content_type: str | None, name: str | None = None) -> PageKind:
    """What the content is: as declared, unless its beginning shows that this is wrong; or as it seems to be.

    Raises `Permanent` with code `unsupported_media_type`.

    >>> kind_of(b"x", "Text/HTML; charset=utf-8"), kind_of(b"<!DOCTYPE html>", None), kind_of(b"Dear all", "")
    ('html', 'html', 'text')
    >>> kind_of(b"%PDF-1.7", "application/octet-stream"), kind_of(b"<rss version='2.0'>", "text/html")
    ('pdf', 'feed')
    >>> kind_of(b"<svg>", "image/svg+xml")
    Traceback (most recent call last):
    stages.contract.errors.Permanent: unsupported_media_type: The content is of a type that is not read.
    """
    media_type = (content_type or "").partition(";")[0].strip().lower()
    start = body[:SNIFFED_BYTES].removeprefix(_BOM)
    declared = KIND_OF_MEDIA_TYPE.get(media_type)
    if declared is not None:
        return _shown(declared, start) or declared
    if media_type in GENERAL_MEDIA_TYPES:
        return _of_general_type(start)
    if media_type in UNKNOWN_MEDIA_TYPES:
        return _of_unknown_type(start, name)
    raise Permanent("unsupported_media_type")


def _shown(declared: PageKind, start: bytes) -> PageKind | None:
    """What it clearly is instead of what is declared."""
    if start.lstrip().startswith(_PDF):
        return "pdf"
    return _list_of_addresses(start) if declared in ("html", "feed", "opml") else None


def _of_general_type(start: bytes) -> PageKind:
    if kind := _list_of_addresses(start):
        return kind
    if _XHTML.match(start):
        return "html"
    raise Permanent("unsupported_media_type")


def _of_unknown_type(start: bytes, name: str | None) -> PageKind:
    if _PDF in start[:PDF_WITHIN_BYTES]:
        return "pdf"
    if kind := _list_of_addresses(start):
        return kind
    if read_bom(start)[0] is None and b"\x00" in start:
        raise Permanent("unsupported_media_type")
    suffix = (name or "").rpartition(".")[2].lower()
    return KIND_OF_SUFFIX.get(suffix) or ("html" if _MARKUP.match(start) else "text")


def _list_of_addresses(start: bytes) -> PageKind | None:
    """Which one it clearly is: a feed, a sitemap or OPML."""
    if found := _XML_LIST.match(start):
        return _KIND_OF_ROOT.get(found[1].lower(), "feed")
    return "feed" if _JSON_FEED.match(start) else None
