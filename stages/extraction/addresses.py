"""Addresses in a page, as absolute URLs that are safe to link to."""

from urllib.parse import urljoin, urlsplit

from lxml.html import HtmlElement

from stages.extraction.trees import LINK_SCHEMES

MAX_URL_CHARS = 8_000
LOADED_SCHEMES = frozenset({"http", "https"})
"""Of what is shown rather than followed."""


def absolute(
    address: str | None, base_url: str | None, schemes: frozenset[str] = LINK_SCHEMES, max_chars: int = MAX_URL_CHARS
) -> str | None:
    """An absolute URL of one of the schemes; None where there is none.

    >>> absolute(" ../lock?a=b ", "https://water.example/guide/x"), absolute("/lock", None)
    ('https://water.example/lock?a=b', None)
    >>> absolute("java\\nscript:alert(1)", "https://water.example/"), absolute("mailto:ana@water.example", None)
    (None, 'mailto:ana@water.example')
    """
    if not address or not address.strip():
        return None
    try:
        url = urljoin(base_url or "", address.strip())
        parts = urlsplit(url)
    except ValueError:
        return None
    is_whole = parts.scheme.lower() in schemes and (parts.netloc or parts.scheme.lower() not in LOADED_SCHEMES)
    return url if is_whole and len(url) <= max_chars else None


def base_url_of(tree: HtmlElement, url: str | None) -> str | None:
    """What relative addresses of a page start from: its `base` element, or else its own URL."""
    stated = tree.xpath("string((//base/@href)[1])")
    return absolute(stated, url, LOADED_SCHEMES) or url
