"""Feeds as articles."""

import json

import pytest

from stages.contract import Permanent
from stages.extraction.feeds import extract_feed

URL = "https://water.example/feed.xml"
RSS = """<?xml version="1.0" encoding="iso-8859-1"?>
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>
<title>Wärter &amp; Wehre</title><link>https://water.example/</link><language>de-AT</language>
<item><title>Das Wehr öffnet</title><link>/wehr?a=1&amp;b=2</link><pubDate>Wed, 04 Mar 2026 05:06:07 +0100</pubDate>
<dc:creator>Ana Weir</dc:creator>
<description>&lt;p&gt;Nach &lt;b&gt;zwei&lt;/b&gt; Jahren.&lt;script&gt;x()&lt;/script&gt;&lt;/p&gt;</description>
</item>
<item><title>Ohne Link</title></item></channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>Locks</title><updated>2026-03-04T05:06:07Z</updated>
<author><name>Ana Weir</name></author><link href="https://water.example/"/><rights>CC BY</rights>
<entry><title>It opens</title><link href="https://water.example/1"/><updated>2026-03-04T05:06:07Z</updated>
<summary>After two years of repairs.</summary></entry></feed>"""
JSON = json.dumps(
    {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Locks",
        "home_page_url": "/",
        "authors": [{"name": "Ana Weir"}],
        "items": [
            {
                "id": "1",
                "url": "/1",
                "title": "It opens",
                "date_published": "2026-03-04T05:06:07Z",
                "content_html": "<p>At <i>last</i>.",
            },
            {"id": "2", "content_text": "Short note."},
            "nonsense",
        ],
    }
)


def test_rss():
    found = extract_feed(RSS, URL)

    assert found.markdown == (
        "## [Das Wehr öffnet](https://water.example/wehr?a=1&b=2)\n\n2026-03-04T04:06:07+00:00 · Ana Weir\n\n"
        "Nach **zwei** Jahren.\n\n## Ohne Link"
    )
    assert (found.metadata.title, found.metadata.site_name, found.language) == ("Wärter & Wehre",) * 2 + ("de",)
    assert found.metadata.canonical_url == "https://water.example/"
    assert [section.heading for section in found.sections] == ["Das Wehr öffnet", "Ohne Link"]
    assert "script" not in found.html
    assert found.sources["title"] == "feed"


def test_atom():
    found = extract_feed(ATOM, URL)

    assert "## [It opens](https://water.example/1)\n\n2026-03-04T05:06:07+00:00" in found.markdown
    assert "After two years of repairs." in found.text
    assert (found.metadata.authors, found.metadata.license) == (("Ana Weir",), "CC BY")
    assert found.metadata.modified == "2026-03-04T05:06:07+00:00"


def test_json_feed():
    found = extract_feed(JSON, URL)

    assert found.markdown == (
        "## [It opens](https://water.example/1)\n\n2026-03-04T05:06:07Z\n\nAt *last*.\n\n## Untitled\n\nShort note."
    )
    assert found.metadata.canonical_url == "https://water.example/"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("<rss><channel><title>Locks</title></channel></rss>", "no_article"),
        ('{"version": "https://jsonfeed.org/version/1", "items": []}', "no_article"),
        ('{"version": "https://jsonfeed.org/version/1", "items": 7}', "parse_failed"),
        ("{" * 100_000, "parse_failed"),
        ("<html><p>Not a feed", "parse_failed"),
        ("https://water.example/other.xml", "parse_failed"),
        ("/etc/passwd", "parse_failed"),
    ],
)
def test_what_is_no_feed_has_a_code(text, code):
    with pytest.raises(Permanent) as raised:
        extract_feed(text, URL)
    assert raised.value.code == code


def test_entities_do_not_grow():
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(10))
    feed = f"<!DOCTYPE rss [{laughs}]><rss version='2.0'><channel><item><title>x &l9;</title></item></channel></rss>"

    assert len(extract_feed(feed, URL).text) < 1000
