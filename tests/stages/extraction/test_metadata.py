"""What pages say about themselves."""

import pytest

from stages.extraction.metadata import metadata_of
from stages.extraction.trees import parse_page

URL = "https://news.water.example/lock.html"


def metadata(head: str, *, html: str = "", fallback: str | None = None):
    tree = parse_page(f"<html {html}><head>{head}</head><body><p>It opened.</p></body></html>")
    return metadata_of(tree, URL, fallback)


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
    found = metadata("", fallback="[no-title]")

    assert (found.title, found.byline, found.published, found.stated_language) == (None, None, None, None)


def test_title_falls_back_to_the_one_that_was_found_with_the_article():
    assert metadata("", fallback="  The\n lock ").title == "The lock"


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
