"""Sitemaps, OPML and lists of URLs."""

import gzip

import pytest

from stages.contract import Permanent, Source
from stages.contract.nouns import ListEntry
from stages.extraction.listings import MAX_SHOWN
from stages.extraction.reading import read_content
from stages.fetch import fetch
from stages.gzipped import gunzipped
from tests.support.tools import make_tools

URL = "https://water.example/sitemap.xml"
NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
SITEMAP = f"""<?xml version="1.0" encoding="iso-8859-1"?>
<urlset {NAMESPACE} xmlns:news="http://www.google.com/schemas/sitemap-news/0.9">
<url><loc> https://water.example/a?x=1&amp;y=2 </loc><lastmod>2026-03-04</lastmod>
<i:image xmlns:i="http://www.google.com/schemas/sitemap-image/1.1"><i:loc>https://water.example/a.png</i:loc></i:image></url>
<url><loc>/b</loc><lastmod>soon</lastmod><news:news><news:title>Wärter</news:title></news:news></url>
<url><loc>javascript:alert(1)</loc></url><url><loc></loc></url>
</urlset>"""
INDEX = f"""<sitemapindex {NAMESPACE}><sitemap><loc>https://water.example/1.xml</loc>
<lastmod>2026-03-04T05:06:07+01:00</lastmod></sitemap></sitemapindex>"""
OPML = """<opml version="2.0"><body><outline text="Rivers"><outline type="rss" text="Locks" xmlUrl="/feed.xml"/>
<outline type="link" text="A page" url="https://water.example/a"/></outline>
<outline type="include" url="https://water.example/more.opml"/><outline text="nothing"/></body></opml>"""
RSS = """<rss version="2.0"><channel><title>Locks</title><item><title>It opens</title><link>/1</link>
<pubDate>Wed, 04 Mar 2026 05:06:07 GMT</pubDate></item><item><title>Without</title></item></channel></rss>"""


def entries(kind, text, url=URL):
    return read_content(kind, text, b"", url).entries


def test_pages_of_a_sitemap():
    assert entries("sitemap", SITEMAP) == (
        ListEntry(url="https://water.example/a?x=1&y=2", date="2026-03-04"),
        ListEntry(url="https://water.example/b", title="Wärter"),
    )


def test_sitemaps_of_an_index_are_lists_themselves():
    expected = ListEntry(url="https://water.example/1.xml", date="2026-03-04T05:06:07+01:00", is_source=True)
    assert entries("sitemap", INDEX) == (expected,)


def test_outlines_are_feeds_or_pages():
    assert entries("opml", OPML) == (
        ListEntry(url="https://water.example/feed.xml", title="Locks", is_source=True),
        ListEntry(url="https://water.example/a", title="A page"),
        ListEntry(url="https://water.example/more.opml", is_source=True),
    )


def test_entries_of_a_feed_that_have_a_link():
    expected = ListEntry(url="https://water.example/1", title="It opens", date="2026-03-04T05:06:07+00:00")
    assert entries("feed", RSS) == (expected,)


def test_a_text_of_urls_lists_them_and_prose_lists_nothing():
    assert [each.url for each in entries("text", "https://water.example/a\r\nhttps://water.example/b")] == [
        "https://water.example/a",
        "https://water.example/b",
    ]
    assert entries("text", "https://water.example/a is a page.") == ()
    assert entries("markdown", "https://water.example/a") == ()


def test_what_is_listed_can_be_read_as_text():
    found = read_content("sitemap", SITEMAP, b"", URL)
    assert "Wärter" in found.text
    assert "(https://water.example/b)" in found.markdown
    assert [link.url for link in found.links] == ["https://water.example/a?x=1&y=2", "https://water.example/b"]


def test_a_long_list_is_whole_in_its_entries_and_cut_in_its_text():
    urls = "".join(f"<url><loc>https://water.example/{n}</loc></url>" for n in range(60_000))
    found = read_content("sitemap", f"<urlset {NAMESPACE}>{urls}</urlset>", b"", URL)
    assert (len(found.entries), len(found.links)) == (50_000, MAX_SHOWN)
    assert found.entries[-1].url == "https://water.example/49999"


def test_entities_are_never_expanded(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("water.example/secret")
    inner = f'<!ENTITY a "https://water.example/bomb"><!ENTITY b "&a;&a;&a;"><!ENTITY f SYSTEM "{secret.as_uri()}">'
    body = "<urlset><url><loc>&b;</loc></url><url><loc>https://&f;</loc></url><url><loc>/ok</loc></url></urlset>"
    for declared in (f"<!DOCTYPE urlset [{inner}]>", f'<!DOCTYPE urlset [<!ENTITY x "]">{inner}]>'):
        found = entries("sitemap", declared + body)
        assert "https://water.example/ok" in [each.url for each in found]
        assert not [each.url for each in found if "bomb" in each.url or "secret" in each.url]


@pytest.mark.parametrize(
    ("kind", "text", "code"),
    [
        ("sitemap", "<urlset></urlset>", "no_article"),
        ("sitemap", "<urlset><url><loc>mailto:ana@water.example</loc></url></urlset>", "no_article"),
        ("opml", "<opml><body><outline text='x'/></body></opml>", "no_article"),
    ],
)
def test_what_lists_nothing_says_so(kind, text, code):
    with pytest.raises(Permanent) as raised:
        read_content(kind, text, b"", URL)
    assert raised.value.code == code


def test_a_list_that_breaks_off_is_read_as_far_as_it_goes():
    assert [each.url for each in entries("sitemap", SITEMAP[: SITEMAP.index("<url><loc>/b")])] == [
        "https://water.example/a?x=1&y=2"
    ]


# gzip


def page_of(body, content_type=None, name=None):
    return fetch.run(Source(body=body, content_type=content_type, name=name), make_tools())


@pytest.mark.parametrize("content_type", ["application/gzip", "application/x-gzip", "application/xml", None])
def test_a_gzipped_sitemap_is_a_sitemap(content_type):
    page = page_of(gzip.compress(SITEMAP.encode("iso-8859-1")), content_type, "sitemap.xml.gz")
    assert (page.kind, page.charset) == ("sitemap", "cp1252")
    assert len(entries("sitemap", page.text)) == 2


def test_a_sitemap_that_was_unpacked_on_the_way_is_one_too():
    assert page_of(SITEMAP.encode("iso-8859-1"), "application/x-gzip").kind == "sitemap"


def test_a_bomb_is_noticed():
    bomb = gzip.compress(b"\0" * 30_000_000)
    with pytest.raises(Permanent, match="too_large"):
        gunzipped(bomb)


def test_what_is_cut_short_or_broken_is_refused():
    whole = gzip.compress(SITEMAP.encode())
    for broken in (whole[:-20], whole[:12] + b"\xff" * 20):
        with pytest.raises(Permanent, match="undecodable"):
            gunzipped(broken)
