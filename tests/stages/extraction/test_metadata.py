"""What pages say about themselves."""

import pytest

from stages.extraction.metadata import PageMetadata, metadata_of
from stages.extraction.trees import parse_page

URL = "https://news.water.example/lock.html"


def metadata(head: str, *, html: str = "", body: str = "<p>It opened."):
    return metadata_of(parse_page(f"<html {html}><head>{head}</head><body>{body}</body></html>"), URL)


def json_ld(text: str) -> str:
    return f'<script type="application/ld+json">{text}</script>'


def test_open_graph():
    found = metadata(
        '<meta property="og:title" content="The lock opens"><meta property="og:site_name" content="Water News">'
        '<meta name="author" content="Ana Weir"><meta property="article:published_time" content="2026-03-04T05:06:07Z">'
    )

    assert (found.title, found.byline, found.site_name) == ("The lock opens", "Ana Weir", "Water News")
    assert found.published == "2026-03-04T05:06:07Z"


def test_json_ld():
    found = metadata(
        '<script type="application/ld+json">{"@context": "https://schema.org", "@type": "NewsArticle", '
        '"headline": "The lock opens", "datePublished": "2026-03-04T05:06:07+01:00", '
        '"author": {"@type": "Person", "name": "Ana Weir"}}'
        "</script>"
    )

    assert (found.title, found.byline) == ("The lock opens", "Ana Weir")
    assert found.published == "2026-03-04T05:06:07+01:00"


@pytest.mark.parametrize(
    ("stated", "published"),
    [("2026-03-04", "2026-03-04"), ("2026-03-04 05:06", "2026-03-04T05:06"), ("2026-03-04T05:06:07<b>", "2026-03-04")],
)
def test_date_is_as_precise_as_stated(stated, published):
    assert metadata(f'<meta property="article:published_time" content="{stated}">').published == published


def test_page_that_says_nothing():
    assert metadata("") == PageMetadata()


def test_all_fields_with_their_sources():
    found = metadata(
        json_ld(
            """{"@graph": [
            {"@type": "Person", "@id": "#ana", "name": "Ana Weir"},
            {"@type": "NewsArticle", "headline": "The lock opens", "author": [{"@id": "#ana"}, {"name": "Ben Lock"}],
             "datePublished": "2026-03-04", "dateModified": "2026-03-05T06:00:00Z", "inLanguage": "en"}]}"""
        )
        + '<meta property="og:site_name" content="Water News"><meta property="og:image" content="/lock.jpg">'
        '<link rel="canonical" href="../lock"><meta name="dcterms.license" content="CC BY 4.0">',
        html='lang="en"',
        body="<h1>The lock opens again</h1><p>It opened.",
    )

    assert found == PageMetadata(
        title="The lock opens again",
        authors=("Ana Weir", "Ben Lock"),
        byline="Ana Weir, Ben Lock",
        published="2026-03-04",
        modified="2026-03-05T06:00:00Z",
        stated_language="en",
        site_name="Water News",
        canonical_url="https://news.water.example/lock",
        image="https://news.water.example/lock.jpg",
        license="CC BY 4.0",
        sources={
            "title": "html",
            "authors": "json-ld",
            "published": "json-ld",
            "modified": "json-ld",
            "language": "html",
            "site_name": "opengraph",
            "canonical_url": "html",
            "image": "opengraph",
            "license": "dublin-core",
        },
    )


@pytest.mark.parametrize(
    "broken",
    [
        '{"@type": "Article", "headline": "The // lock, ]", "author": "Ana Weir",}',
        '/* news */ {"@type": "Article", // the news\n "headline": "The // lock, ]", "author": "Ana Weir"}',
        '<!-- {"@type": "Article", "headline": "The // lock, ]", "author": "Ana Weir"} -->',
        '//<![CDATA[\n{"@type": "Article", "headline": "The // lock, ]", "author": "Ana Weir"}//]]>',
        "{&quot;@type&quot;: &quot;Article&quot;, &quot;headline&quot;: &quot;The // lock, ]&quot;, "
        "&quot;author&quot;: &quot;Ana Weir&quot;}",
        '{"@type": "Article", "headline": "The\n // lock, ]", "author": "Ana Weir"};',
        '{"@type": "Organization"} {"@type": "Article", "headline": "The // lock, ]", "author": {"name": "Ana Weir"}}',
        '[[{"@type": ["Thing", "schema:BlogPosting"], "headline": ["The // lock, ]"], "author": [{"name": "Ana Weir"}]'
        "}]]",
        '{"@type": "WebPage", "name": "x", "mainEntity": {"@type": "Article", "headline": "The // lock, ]", '
        '"author": "Ana \\Weir"}}',
    ],
)
def test_json_that_is_not_quite_json(broken):
    found = metadata(json_ld(broken))

    assert found.title == "The // lock, ]"
    assert found.byline in ("Ana Weir", "Ana \\Weir")


@pytest.mark.parametrize(
    "hostile",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '"' + '\\"' * 200_000,
        "/*" * 200_000,
        ", " * 200_000 + "x",
        '{"a": "' + "x" * 600_000,
    ],
)
def test_hostile_json_is_passed_over(hostile):
    assert metadata(json_ld(hostile)).title is None


def test_heading_is_preferred_where_it_says_what_the_page_states():
    head = '<title>Lock opens after repairs | Water News</title><meta property="og:site_name" content="Water News">'

    assert metadata(head, body="<h1>Water News</h1><h1>The lock opens after two years</h1>").title == (
        "The lock opens after two years"
    )
    assert metadata(head, body="<h1>Subscribe now</h1><p>x").title == "Subscribe now"
    assert metadata(head).title == "Lock opens after repairs"


@pytest.mark.parametrize(
    ("body", "authors"),
    [
        ('<div class="post-author-name">By <a href="/authors/ana">Ana Weir</a></div>', ("Ana Weir",)),
        ("<p>Written by Ana Weir and Ben Lock</p>", ("Ana Weir", "Ben Lock")),
        ("<div><div>By</div><div>Ana Weir</div></div>", ("Ana Weir",)),
        ('<a href="/people/ana-weir/">Ana Weir</a>', ("Ana Weir",)),
        ('<div id="comments"><p class="author">Troll</p></div>', ()),
        (
            "<p>By opening the gate one lets in the water.</p>" * 2 + "<p>" + "x" * 200,
            ("opening the gate one lets in the water.",),
        ),
    ],
)
def test_byline_is_read_where_readers_see_it(body, authors):
    assert metadata("", body=body).authors == authors


def test_site_as_author_gives_way_to_a_person():
    head = '<meta property="og:site_name" content="Water News"><meta name="author" content="Water News">'

    assert metadata(head).authors == ("Water News",)
    assert metadata(head, body='<p class="byline">By Ana Weir').authors == ("Ana Weir",)


@pytest.mark.parametrize(
    ("head", "body", "published"),
    [
        ("", '<p class="date">Updated Feb. 11, 2026</p>', "2026-02-11"),
        ('<meta name="dc.date" content="2026-02-11">', "<p>1 May 2020</p>", "2026-02-11"),
        ('<meta name="date" content="Wed, 11 Feb 2026 05:06:07 GMT">', "", "2026-02-11T05:06:07+00:00"),
        ("", '<time itemprop="datePublished" datetime="2026-02-11T05:06">today</time>', "2026-02-11T05:06"),
        ('<meta name="date" content="1970-01-01">', "<p>x", None),
    ],
)
def test_date_is_found(head, body, published):
    assert metadata(head, body=body).published == published


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "http://[", "x" * 3000])
def test_addresses_that_are_none_are_left_out(address):
    found = metadata(f'<link rel="canonical" href="{address}"><meta property="og:image" content="{address}">')

    assert (found.canonical_url, found.image) == (None, None)


@pytest.mark.parametrize(
    ("html", "head"),
    [
        ('lang="de-AT"', ""),
        ('xml:lang="de-AT"', ""),
        ("", '<meta http-equiv="Content-Language" content="de-AT">'),
    ],
)
def test_language_is_stated_in_several_ways(html, head):
    assert metadata(head, html=html).stated_language == "de-AT"
