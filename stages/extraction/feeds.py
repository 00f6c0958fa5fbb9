"""Feeds: RSS, Atom and JSON Feed as an article that lists their entries."""

import json
from dataclasses import dataclass
from io import BytesIO
from time import struct_time
from typing import Any

import feedparser
from lxml.html import Element, HtmlElement

from stages.contract import Permanent
from stages.contract.nouns import ListEntry
from stages.extraction.addresses import LOADED_SCHEMES, absolute
from stages.extraction.authors import names_in
from stages.extraction.dates import iso_date
from stages.extraction.extracted import Extracted, described
from stages.extraction.listings import DOCTYPE
from stages.extraction.metadata import PageMetadata
from stages.extraction.rendering import render
from stages.extraction.trees import drop_unrendered, parse_page

MAX_ENTRIES = 500
MAX_SUMMARY_CHARS = 20_000
MAX_FIELD_CHARS = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; each field None where it is not given."""

    title: str | None
    link: str | None
    published: str | None
    author: str | None
    summary: str | None
    """HTML or text."""


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed of any format."""

    metadata: PageMetadata
    entries: tuple[Entry, ...]


def extract_feed(text: str, url: str | None) -> Extracted:
    """The entries of a feed, each with its title, link, date and summary.

    Raises `Permanent`: `parse_failed` when it is no feed, `no_article` when it has no entries.
    """
    feed = _json_feed(text, url) if text.lstrip().startswith("{") else _xml_feed(text, url)
    if not feed.entries:
        raise Permanent("no_article")
    root = Element("div")
    for entry in feed.entries:
        root.extend(_blocks(entry))
    linked = (ListEntry(url=each.link, title=each.title, date=each.published) for each in feed.entries if each.link)
    return described(render(root, url), feed.metadata, url, entries=tuple(linked))


def _xml_feed(text: str, url: str | None) -> Feed:
    text = DOCTYPE.sub("", text, count=1)
    # As a file, since a string may be taken for an address to be fetched. Its declaration of a charset no longer holds.
    headers = {"content-type": "application/xml; charset=utf-8", "content-location": url or ""}
    parsed = feedparser.parse(BytesIO(text.encode("utf-8", "replace")), response_headers=headers)
    if not parsed.version and not parsed.entries:
        raise Permanent("parse_failed")
    about = parsed.feed
    metadata = _metadata(
        title=about.get("title"),
        author=about.get("author"),
        modified=_moment(about.get("updated_parsed") or about.get("published_parsed")),
        language=about.get("language"),
        home=absolute(about.get("link"), url, LOADED_SCHEMES),
        image=absolute((about.get("image") or {}).get("href"), url, LOADED_SCHEMES),
        rights=about.get("rights"),
    )
    return Feed(metadata, tuple(_xml_entry(entry, url) for entry in parsed.entries[:MAX_ENTRIES]))


def _xml_entry(entry: Any, url: str | None) -> Entry:
    content = next((each.get("value") for each in entry.get("content") or []), None)
    return Entry(
        title=_text(entry.get("title")),
        link=absolute(entry.get("link"), url, LOADED_SCHEMES),
        published=_moment(entry.get("published_parsed") or entry.get("updated_parsed")),
        author=_text(entry.get("author")),
        summary=entry.get("summary") or content,
    )


def _json_feed(text: str, url: str | None) -> Feed:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise Permanent("parse_failed") from None
    items = document.get("items") if isinstance(document, dict) else None
    if not isinstance(items, list):
        raise Permanent("parse_failed")
    entries = tuple(_json_entry(item, url) for item in items[:MAX_ENTRIES] if isinstance(item, dict))
    metadata = _metadata(
        title=_string(document, "title"),
        author=_authors(document),
        modified=max(filter(None, (entry.published for entry in entries)), default=None),
        language=_string(document, "language"),
        home=absolute(_string(document, "home_page_url"), url, LOADED_SCHEMES),
        image=absolute(_string(document, "icon"), url, LOADED_SCHEMES),
        rights=None,
    )
    return Feed(metadata, entries)


def _json_entry(item: dict[str, Any], url: str | None) -> Entry:
    return Entry(
        title=_text(_string(item, "title")),
        link=absolute(_string(item, "url") or _string(item, "external_url"), url, LOADED_SCHEMES),
        published=iso_date(_string(item, "date_published")),
        author=_authors(item),
        summary=_string(item, "summary") or _string(item, "content_html") or _string(item, "content_text"),
    )


def _string(values: dict[str, Any], name: str) -> str | None:
    value = values.get(name)
    return value if isinstance(value, str) and value.strip() else None


def _authors(values: dict[str, Any]) -> str | None:
    authors = values.get("authors") or [values.get("author")]
    names = [_string(each, "name") for each in authors if isinstance(each, dict)] if isinstance(authors, list) else []
    return ", ".join(filter(None, names)) or None


def _metadata(
    *,
    title: str | None,
    author: str | None,
    modified: str | None,
    language: str | None,
    home: str | None,
    image: str | None,
    rights: str | None,
) -> PageMetadata:
    authors = names_in([author] if author else [])
    said = {
        "title": _text(title),
        "authors": authors,
        "modified": modified,
        "language": _text(language),
        "site_name": _text(title),
        "canonical_url": home,
        "image": image,
        "license": _text(rights),
    }
    return PageMetadata(
        title=_text(title),
        authors=authors,
        byline=_text(author) if authors else None,
        modified=modified,
        stated_language=_text(language),
        site_name=_text(title),
        canonical_url=home,
        image=image,
        license=_text(rights),
        sources={name: "feed" for name, value in said.items() if value},
    )


def _text(value: str | None) -> str | None:
    """Markup in titles is not meant to be seen."""
    if not value or not value.strip():
        return None
    shown = parse_page(value).text_content() if "<" in value or "&" in value else value
    return " ".join(shown.split())[:MAX_FIELD_CHARS] or None


def _moment(parsed: struct_time | None) -> str | None:
    """feedparser gives UTC."""
    if parsed is None:
        return None
    year, month, day, hour, minute, second = parsed[:6]
    return iso_date(f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{min(second, 59):02}+00:00")


def _blocks(entry: Entry) -> list[HtmlElement]:
    heading, facts = Element("h2"), Element("p")
    label = entry.title or entry.link or "Untitled"
    if entry.link:
        link = Element("a", href=entry.link)
        link.text = label
        heading.append(link)
    else:
        heading.text = label
    facts.text = " · ".join(filter(None, (entry.published, entry.author)))
    return [heading, *([facts] if facts.text else []), *_summary(entry.summary)]


def _summary(html: str | None) -> list[HtmlElement]:
    if not html or not html.strip():
        return []
    try:
        tree = parse_page(html[:MAX_SUMMARY_CHARS])
    except Permanent:
        return []
    drop_unrendered(tree)
    body = tree.find("body")
    if body is None:
        return []
    body.tag = "div"
    return [body]
