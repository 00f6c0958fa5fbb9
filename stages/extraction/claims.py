"""All that a page claims about itself, by what it is about; the most credible claim first.

json-ld      the node that describes the page, in `script` elements
opengraph    `og:` and `article:` properties
dublin-core  `dc.` and `dcterms.` names
html         headings, the title, other `meta` elements, links, microdata
trafilatura  searched for in the text by its rules and those of htmldate; slow, and asked last
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from htmldate import find_date
from lxml.html import HtmlElement
from trafilatura.metadata import extract_title

from stages.extraction.addresses import LOADED_SCHEMES, absolute, base_url_of
from stages.extraction.bylines import seen_bylines, seen_dates
from stages.extraction.jsonld import ARTICLES, Node, main_node, read_json_ld, text_of, texts_of, types_of, url_of
from stages.extraction.metatags import (
    Tags,
    all_of,
    article_times,
    document_title,
    first_of,
    headings,
    link_to,
    linked_authors,
    linked_licenses,
    marked_authors,
    marked_times,
    read_meta_tags,
    stated_languages,
)

# It tells of each date that it cannot read.
logging.getLogger("htmldate").setLevel(logging.CRITICAL)

MAX_URL_CHARS = 2_000
MAX_VALUES = 50

Origin = Literal["json-ld", "opengraph", "dublin-core", "html", "trafilatura"]
Claim = tuple[Origin, str]
"""What is said, and where."""


@dataclass(frozen=True, slots=True)
class PageClaims:
    """A page, read once for all that is asked of it."""

    tree: HtmlElement
    url: str | None
    base_url: str | None
    tags: Tags
    node: Node
    """The JSON-LD node that describes the page; empty where there is none."""
    nodes: list[Node]

    @classmethod
    def of(cls, tree: HtmlElement, url: str | None) -> "PageClaims":
        nodes = read_json_ld(tree)
        return cls(tree, url, base_url_of(tree, url), read_meta_tags(tree), main_node(nodes), nodes)

    @property
    def host(self) -> str | None:
        return urlsplit(self.url).hostname if self.url else None

    @property
    def reads_as_article(self) -> bool:
        """Whether it says so or names an author. Others have dates, too, but hardly ever their own."""
        says_so = "article" in all_of(self.tags, "og.type") or any(
            kind.endswith(ARTICLES) for kind in types_of(self.node)
        )
        return says_so or any(stated for _, stated in self.authors())

    def headings(self) -> list[str]:
        """What readers see as the title."""
        return headings(self.tree)

    def titles(self) -> Iterator[Claim]:
        """What is stated as the title, mostly with the name of the site."""
        yield from self._json("headline", "name")
        yield from self._tags("opengraph", "og.title")
        yield from self._tags("dublin-core", "dc.title", "dcterms.title")
        yield from self._tags("html", "twitter.title", "citation_title", "parsely-title", "sailthru.title", "headline")

    def document_title(self) -> Iterator[Claim]:
        yield from _claims("html", [document_title(self.tree)])

    def searched_title(self) -> Iterator[Claim]:
        yield from _claims("trafilatura", [extract_title(self.tree)])

    def authors(self) -> Iterator[tuple[Origin, list[str]]]:
        """Bylines; those that belong together in one list."""
        yield "json-ld", [*texts_of(self._linked("author")), *texts_of(self._linked("creator"))]
        yield "html", self._written_by()
        yield (
            "html",
            all_of(self.tags, "author", "authors", "citation_author", "byl", "parsely-author", "sailthru.author"),
        )
        yield "opengraph", all_of(self.tags, "article.author", "og.author", "og.article.author")
        yield "dublin-core", all_of(self.tags, "dc.creator", "dcterms.creator", "dc.creator.aut")
        yield "html", marked_authors(self.tree)
        yield "html", linked_authors(self.tree)
        for byline in seen_bylines(self.tree):
            yield "html", [byline]

    def _written_by(self) -> list[str]:
        """What is shown beside a link to the page."""
        labels = zip(all_of(self.tags, "twitter.label1"), all_of(self.tags, "twitter.data1"), strict=False)
        return [value for label, value in labels if label.lower().endswith(" by")]

    def published(self) -> Iterator[Claim]:
        yield from self._json("datePublished", "dateCreated", "uploadDate")
        yield from self._tags("opengraph", "article.published_time", "og.published_time", "og.article.published_time")
        yield from self._tags(
            "dublin-core", "dcterms.created", "dc.date.issued", "dcterms.issued", "dcterms.date", "dc.date"
        )
        yield from self._tags("html", "datepublished", "citation_publication_date", "citation_date", "parsely-pub-date")
        yield from self._tags("html", "sailthru.date", "pubdate", "publish-date", "publication_date", "date")
        yield from _claims("html", marked_times(self.tree, "datePublished"))
        yield from _claims("html", article_times(self.tree))
        yield from _claims("html", seen_dates(self.tree))
        if self.reads_as_article:
            yield from _claims("trafilatura", [self._searched_date()])

    def _searched_date(self) -> str | None:
        # Its extensive search takes seconds on large pages, and what it finds are guesses.
        return find_date(self.tree, original_date=True, extensive_search=False, url=self.url)

    def modified(self) -> Iterator[Claim]:
        yield from self._json("dateModified")
        yield from self._tags("opengraph", "article.modified_time", "og.updated_time", "og.modified_time")
        yield from self._tags("dublin-core", "dcterms.modified", "dc.date.modified")
        yield from self._tags("html", "datemodified", "last-modified", "revised")
        yield from _claims("html", marked_times(self.tree, "dateModified"))

    def site_names(self) -> Iterator[Claim]:
        yield from self._tags("opengraph", "og.site_name")
        yield from _claims("json-ld", [text_of(self._linked("publisher"))])
        yield from _claims("json-ld", [text_of(each.get("name")) for each in self.nodes if "WebSite" in types_of(each)])
        yield from self._tags("dublin-core", "dc.publisher", "dcterms.publisher")
        yield from self._tags("html", "application-name", "apple-mobile-web-app-title", "citation_journal_title")

    def canonical_urls(self) -> Iterator[Claim]:
        yield from _claims("html", [link_to(self.tree, "canonical")])
        yield from self._tags("opengraph", "og.url")

    def images(self) -> Iterator[Claim]:
        yield from self._tags("opengraph", "og.image.secure_url", "og.image", "og.image.url")
        yield from _claims("json-ld", [url_of(self._linked("image")), url_of(self.node.get("thumbnailUrl"))])
        yield from self._tags("html", "twitter.image", "twitter.image.src", "image", "thumbnail")
        yield from _claims("html", [link_to(self.tree, "image_src")])

    def licenses(self) -> Iterator[Claim]:
        yield from _claims("json-ld", [url_of(self.node.get("license")) or text_of(self.node.get("license"))])
        yield from self._tags("dublin-core", "dcterms.license", "dc.rights.license", "dcterms.rights", "dc.rights")
        yield from _claims("html", [link_to(self.tree, "license")])
        yield from _claims("html", linked_licenses(self.tree))

    def languages(self) -> Iterator[Claim]:
        """`lang` first, which browsers go by, too."""
        yield from _claims("html", stated_languages(self.tree))
        yield from self._json("inLanguage")
        yield from self._tags("opengraph", "og.locale")
        yield from self._tags("dublin-core", "dc.language", "dcterms.language")

    def absolute(self, address: str) -> str | None:
        """An address of the page as an absolute http or https URL; None where it is none."""
        return absolute(address, self.base_url, LOADED_SCHEMES, MAX_URL_CHARS)

    def _json(self, *names: str) -> Iterator[Claim]:
        return _claims("json-ld", [text_of(self.node.get(name)) for name in names])

    def _tags(self, origin: Origin, *names: str) -> Iterator[Claim]:
        return _claims(origin, first_of(self.tags, *names))

    def _linked(self, name: str) -> list[object]:
        """The values of a property of the main node; nodes that it only refers to are looked up."""
        value = self.node.get(name)
        values = value[:MAX_VALUES] if isinstance(value, list) else [value]
        return [self._looked_up(each) if isinstance(each, dict) else each for each in values]

    def _looked_up(self, node: Node) -> Node:
        if "name" in node or "url" in node or not isinstance(node.get("@id"), str):
            return node
        return next((each for each in self.nodes if each.get("@id") == node["@id"] and len(each) > 1), node)


def _claims(origin: Origin, values: Iterable[str | None]) -> Iterator[Claim]:
    return ((origin, value) for value in values if value)
