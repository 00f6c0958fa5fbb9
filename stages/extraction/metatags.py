"""What a page's `meta` and `link` elements say, and its visible marks: headings, bylines, times."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from lxml.html import HtmlElement

Tags = Mapping[str, list[str]]
"""Contents of `meta` elements by their lower-case name, property or itemprop, in the order of the page."""

MAX_TAGS = 2_000
MAX_NAME_CHARS = 120


def read_meta_tags(tree: HtmlElement) -> Tags:
    """All `meta` elements with a content; colons and dots in names are the same, `dc.title` and `dc:title`."""
    found: dict[str, list[str]] = defaultdict(list)
    for element in tree.xpath("//meta[@content]")[:MAX_TAGS]:
        content = " ".join(element.get("content").split())
        for attribute in ("property", "name", "itemprop"):
            name = (element.get(attribute) or "").strip().lower().replace(":", ".")
            if name and content:
                found[name].append(content)
    return found


def first_of(tags: Tags, *names: str) -> Iterator[str]:
    """The first content of each of some names that the page has."""
    return (tags[name][0] for name in names if name in tags)


def all_of(tags: Tags, *names: str) -> list[str]:
    """The contents of the first of some names that the page has."""
    return next((tags[name] for name in names if name in tags), [])


def link_to(tree: HtmlElement, relation: str) -> str | None:
    """Where the first `link` of a relation points."""
    for element in tree.xpath("//link[@rel and @href]"):
        if relation in element.get("rel").lower().split():
            return str(element.get("href"))
    return None


def headings(tree: HtmlElement) -> list[str]:
    """The texts of the page's first-level headings."""
    return [text for text in map(shown_text, tree.xpath("//h1")[:20]) if text]


def shown_text(element: HtmlElement) -> str:
    """The words inside an element."""
    pieces = element.xpath("descendant::text()[not(ancestor::script or ancestor::style or ancestor::svg)]")
    return " ".join(" ".join(pieces).split())


def document_title(tree: HtmlElement) -> str | None:
    """The text of the `title` element."""
    found = tree.find(".//title")
    return " ".join(found.text_content().split()) or None if found is not None else None


def marked_authors(tree: HtmlElement) -> list[str]:
    """Names that microdata or a link relation marks as the author's: those of the first thing that has any."""
    found = tree.xpath("//*[@itemprop='author'][not(self::meta)]")[:50]
    own = [each for each in found if _thing_of(each) is _thing_of(found[0])]
    names = [each.xpath("(descendant::*[@itemprop='name'])[1]") or [each] for each in own]
    return [
        text for (name,) in names if (text := name.get("content") or shown_text(name)) and len(text) <= MAX_NAME_CHARS
    ]


def linked_authors(tree: HtmlElement) -> list[str]:
    """The first label of a link that leads to the author."""
    found = tree.xpath("//a[contains(concat(' ', @rel, ' '), ' author ')]")[:5]
    return [text for text in map(shown_text, found) if 0 < len(text) <= MAX_NAME_CHARS][:1]


def linked_licenses(tree: HtmlElement) -> list[str]:
    """Where links lead that are marked as leading to the licence, or whose address is that of Creative Commons."""
    rel = "contains(concat(' ', @rel, ' '), ' license ')"
    return [str(url) for url in tree.xpath(f"//a[{rel} or contains(@href, 'creativecommons.org/licenses/')]/@href")][:1]


def _thing_of(element: HtmlElement) -> HtmlElement | None:
    return next((each for each in element.iterancestors() if each.get("itemscope") is not None), None)


def marked_times(tree: HtmlElement, item: str) -> list[str]:
    """Times that are marked by microdata, such as `datePublished`."""
    elements = tree.xpath("//*[@itemprop=$item]", item=item)[:5]
    return [each.get("datetime") or each.get("content") or shown_text(each)[:64] for each in elements]


def article_times(tree: HtmlElement) -> list[str]:
    """Times in the order of the page, those marked as the publication first."""
    marked = tree.xpath("//time[@pubdate][@datetime] | //time[@datetime][contains(@class, 'publish')]")
    return [each.get("datetime") for each in [*marked, *tree.xpath("(//article | //main)//time[@datetime]")][:5]]


def stated_languages(tree: HtmlElement) -> list[str]:
    """Languages of the whole page, as its elements state them."""
    found = tree.xpath(
        "/html/@lang | /html/@*[local-name()='xml:lang'] | //body/@lang"
        " | //meta[translate(@http-equiv, 'CONTELAG', 'contelag')='content-language']/@content"
    )
    return [str(language) for language in found if language.strip()]
