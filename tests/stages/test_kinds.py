"""What content is taken for."""

import pytest

from stages.contract import Page, Permanent
from stages.kinds import kind_of
from tests.support.tools import START

ATOM = b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- made by hand --><feed xmlns="http://www.w3.org/2005/Atom">'
XHTML = b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x"><html xmlns="x">'
RDF = b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
JSON = b'{"version": "https:\\/\\/jsonfeed.org\\/version\\/1", "items": []}'


@pytest.mark.parametrize(
    ("body", "content_type", "kind"),
    [
        (b"%PDF-1.7", "application/pdf", "pdf"),
        (b"%PDF-1.7", "application/octet-stream", "pdf"),
        (b"%PDF-1.7", "text/html", "pdf"),
        (b"\r\n%PDF-1.7", None, "pdf"),
        (b"%PDF-1.7", "text/plain; charset=utf-8", "pdf"),
        (b"The mark %PDF- begins a file.", "text/plain", "text"),
        (ATOM, "text/html", "feed"),
        (ATOM, "text/xml", "feed"),
        (ATOM, "application/xml; charset=utf-8", "feed"),
        (ATOM, None, "feed"),
        (ATOM, "text/plain", "text"),
        (RDF, "application/xml", "feed"),
        (b"x", "application/rss+xml", "feed"),
        (JSON, "application/json", "feed"),
        (JSON, "application/feed+json", "feed"),
        (JSON, None, "feed"),
        (XHTML, "text/xml", "html"),
        (XHTML, "application/xhtml+xml", "html"),
        (b"<html><body><rss>", "text/html", "html"),
        (b"<urlset xmlns='x'>", "text/html", "sitemap"),
        (b"<?xml version='1.0'?><!-- x --><sitemapindex>", "application/xml", "sitemap"),
        (b"<sm:urlset xmlns:sm='x'>", None, "sitemap"),
        (b"<opml version='2.0'>", "text/xml", "opml"),
        (b"<!DOCTYPE urlset [<!ENTITY a 'x'>]><urlset>", "text/xml", "sitemap"),
        (b"<opml version='2.0'>", "text/x-opml", "opml"),
        (b"<opml version='2.0'>", "application/rss+xml", "opml"),
    ],
)
def test_kinds(body, content_type, kind):
    assert kind_of(body, content_type) == kind


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<svg xmlns='x'>", "image/svg+xml"),
        (b"<sitemap>", "application/xml"),
        (b'{"a": 1}', "application/json"),
        (b"PK\x03\x04\x00", "application/octet-stream"),
        (b"%PDF-1.7", "image/png"),
    ],
)
def test_what_is_not_read_is_refused(body, content_type):
    with pytest.raises(Permanent) as raised:
        kind_of(body, content_type)
    assert raised.value.code == "unsupported_media_type"


def test_prolog_is_looked_through_in_linear_time():
    assert kind_of(b"<!-- - " * 100_000, None) == "html"


def test_page_carries_bytes_and_reads_what_earlier_versions_stored():
    page = Page(kind="pdf", body=bytes(range(256)), fetched_at=START, wire_bytes=256, decoded_bytes=256)
    stored = (
        b'{"kind":"html","text":"<p>x","charset":"utf-8","fetched_at":"2026-01-02T03:04:05Z",'
        b'"wire_bytes":4,"decoded_bytes":4}'
    )

    assert Page.from_bytes(page.to_bytes()) == page
    assert (Page.from_bytes(stored).text, Page.from_bytes(stored).body) == ("<p>x", None)
