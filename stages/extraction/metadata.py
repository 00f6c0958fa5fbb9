"""What a page says about itself, from JSON-LD, OpenGraph, Dublin Core and HTML, each with where it was said."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain

from lxml.html import HtmlElement

from stages.extraction.authors import names_in
from stages.extraction.claims import Claim, Origin, PageClaims
from stages.extraction.dates import iso_date
from stages.extraction.titles import names_site, shown_title, without_site

MAX_CHARS = 500


@dataclass(frozen=True, slots=True)
class PageMetadata:
    """Each None or empty where the page does not say."""

    title: str | None = None
    authors: tuple[str, ...] = ()
    byline: str | None = None
    """The authors as the page writes them."""
    published: str | None = None
    modified: str | None = None
    stated_language: str | None = None
    site_name: str | None = None
    canonical_url: str | None = None
    image: str | None = None
    license: str | None = None
    sources: dict[str, str] = field(default_factory=dict)
    """Where each of these was said, by its name; a byline comes with its authors."""


@dataclass(frozen=True, slots=True)
class _Byline:
    origin: Origin
    stated: list[str]
    names: tuple[str, ...]


def metadata_of(tree: HtmlElement, url: str | None) -> PageMetadata:
    """Read the metadata of a whole page; the tree is not changed."""
    claims = PageClaims.of(tree, url)
    site_name = _first(claims.site_names(), _clean)
    name = site_name[1] if site_name else None
    authors = _authors(claims, name)
    found = {
        "title": _title(claims, name),
        "authors": authors and (authors.origin, ", ".join(authors.stated)),
        "published": _first(claims.published(), iso_date),
        "modified": _first(claims.modified(), iso_date),
        "language": _first(claims.languages(), _clean),
        "site_name": site_name,
        "canonical_url": _first(claims.canonical_urls(), claims.absolute),
        "image": _first(claims.images(), claims.absolute),
        "license": _first(claims.licenses(), _clean),
    }
    said = {name: claim[1] if claim else None for name, claim in found.items()}
    return PageMetadata(
        title=said["title"],
        authors=authors.names if authors else (),
        byline=_clean(said["authors"]),
        published=said["published"],
        modified=said["modified"],
        stated_language=said["language"],
        site_name=said["site_name"],
        canonical_url=said["canonical_url"],
        image=said["image"],
        license=said["license"],
        sources={name: claim[0] for name, claim in found.items() if claim},
    )


def _first(claims: Iterable[Claim], read: Callable[[str], str | None]) -> Claim | None:
    """The first claim that can be read, as it is read. What comes after it is not looked for."""
    for origin, value in claims:
        if (found := read(value)) is not None:
            return origin, found
    return None


def _title(claims: PageClaims, site_name: str | None) -> Claim | None:
    """The heading, where one is like what is stated; or else what is stated, without the name of the site."""
    seen = [heading for heading in claims.headings() if not names_site(heading, site_name, claims.host)]
    stated = [*claims.titles(), *claims.document_title()]
    shown = shown_title(seen, [value for _, value in stated])
    if shown is not None:
        return "html", _clipped(shown)
    first = chain(claims.titles(), (("html", heading) for heading in seen), stated, claims.searched_title())
    return _first(first, lambda title: _clean(without_site(title, site_name)))


def _authors(claims: PageClaims, site_name: str | None) -> _Byline | None:
    """The first byline with a name in it; one that only names the site where there is no other."""
    of_site: _Byline | None = None
    for origin, stated in claims.authors():
        if names := names_in(stated):
            byline = _Byline(origin, stated, names)
            if not names_site(" ".join(names), site_name, claims.host):
                return byline
            of_site = of_site or byline
    return of_site


def _clean(value: str | None) -> str | None:
    return _clipped(value or "") or None


def _clipped(value: str) -> str:
    return " ".join(value.split())[:MAX_CHARS]
