"""What a page's address and head say of its kind."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from lxml.html import HtmlElement

from stages.extraction.passages import WORD, Choice

_TYPES = {
    "article": r'"(?:News|Blog|Tech|Scholarly|Reportage)?(?:News)?(?:Article|BlogPosting)"',
    "product": r'"Product(?:Group)?"',
    "forum": r'DiscussionForumPosting|QAPage|"Question"',
    "list": r"CollectionPage|ItemList|OfferCatalog|SearchResultsPage",
    "faq": r"FAQPage",
    "business": r'LocalBusiness|"Service"|ProfessionalService',
}
_PATHS = {
    "forum": r"forum|thread|/t/|topic|discuss|/questions?/|community|/r/|comments",
    "product": r"product|/p/|/dp/|/item|/shop/|sku",
    "list": r"collection|category|/c/|/cat|/shop/?$|/tag/|/topics?/|archive|/browse",
    "docs": r"docs?[./]|documentation|reference|manual|/api|guide|wiki|developer|/en/latest|help",
    "article": r"/20\d\d/|blog|news|article|story|/post",
}
_TYPE_PATTERNS = [re.compile(pattern) for pattern in _TYPES.values()]
_PATH_PATTERNS = [re.compile(pattern, re.IGNORECASE) for pattern in _PATHS.values()]
_ARTICLE_BODY = re.compile(r'"articleBody"\s*:\s*"((?:[^"\\]|\\.)*)"')
_ESCAPES = re.compile(r'\\(?:[nrtbf"/\\]|u[0-9a-fA-F]{4})')


@dataclass(frozen=True)
class PageSignals:
    """Hints at the kind of a page, and words that its content should share."""

    url: str
    data: str
    """All JSON-LD."""
    og_type: str
    title: frozenset[str]
    description: str
    article_body: Choice

    @staticmethod
    def of(tree: HtmlElement, url: str | None) -> "PageSignals":
        data = " ".join(tree.xpath("//script[@type='application/ld+json']/text()"))
        title = " ".join(tree.xpath("//title[1]/text() | //meta[@property='og:title']/@content"))
        description = " ".join(tree.xpath("//meta[@name='description' or @property='og:description']/@content"))
        body = _ARTICLE_BODY.search(data)
        return PageSignals(
            url=url or "",
            data=data,
            og_type=" ".join(tree.xpath("//meta[@property='og:type'][1]/@content")).lower(),
            title=frozenset(WORD.findall(title.lower())),
            description=" ".join(WORD.findall(description.lower())),
            article_body=Choice([_ESCAPES.sub(" ", body[1])] if body else []),
        )

    @staticmethod
    def names() -> list[str]:
        """Of what `numbers` tells."""
        return [
            *(f"data_{n}" for n in _TYPES),
            *(f"path_{n}" for n in _PATHS),
            "og_article",
            "og_product",
            "og_any",
            "parts",
            "hyphens",
            "digits",
        ]

    def numbers(self) -> list[float]:
        """The hints at the page's kind, most of them 0 or 1."""
        try:
            url = urlsplit(self.url)
        except ValueError:
            url = urlsplit("")
        where = f"{url.netloc}{url.path}"
        return [
            *(float(bool(pattern.search(self.data))) for pattern in _TYPE_PATTERNS),
            *(float(bool(pattern.search(where))) for pattern in _PATH_PATTERNS),
            float("article" in self.og_type),
            float("product" in self.og_type),
            float(bool(self.og_type)),
            float(url.path.strip("/").count("/")),
            float(url.path.count("-")),
            float(any(c.isdigit() for c in url.path)),
        ]
