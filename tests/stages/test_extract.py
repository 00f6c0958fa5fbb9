"""The extract stage: what it hands to the child process, and what it makes of the answer."""

import pickle

import pytest

from stages.contract import Article, Page, Permanent
from stages.extract import extract
from stages.extraction.reading import read_content
from tests.support.tools import START, InlineIsolate, make_tools

SENTENCE = "The old lock was opened again on Monday, after two years of repairs that cost more than planned."
HTML = f"""<html lang="en-GB"><head><title>The lock opens</title>
    <meta name="author" content="Ana Weir"><meta property="og:site_name" content="Water News">
    <meta property="article:published_time" content="2026-03-04T05:06:07Z"></head>
    <body><article><h1>The lock opens</h1>{f"<p>{SENTENCE} {SENTENCE}</p>" * 4}</article></body></html>"""


def page(text: str, kind: str = "html") -> Page:
    return Page(
        kind=kind,
        text=text,
        charset="utf-8",
        url="https://water.example/lock",
        fetched_at=START,
        wire_bytes=len(text),
        decoded_bytes=len(text),
    )


def test_declaration():
    assert (extract.name, extract.pool, extract.time_limit_s) == ("extract", "cpu", 30)
    assert (extract.accepts, extract.returns) == ((Page,), Article)


def test_page_becomes_an_article():
    article = extract.run(page(HTML), make_tools())

    assert article.text.count(SENTENCE) == article.markdown.count(SENTENCE) == 8
    assert article.html.count(f"{SENTENCE} {SENTENCE}</p>") == 4
    assert article.model_copy(update={"text": "", "markdown": "", "html": ""}) == Article(
        text="",
        markdown="",
        sections=article.sections,
        title="The lock opens",
        authors=("Ana Weir",),
        byline="Ana Weir",
        published="2026-03-04T05:06:07Z",
        language="en",
        site_name="Water News",
        sources={
            "title": "html",
            "authors": "html",
            "published": "opengraph",
            "language": "html",
            "site_name": "opengraph",
        },
        url="https://water.example/lock",
        word_count=article.word_count,
        reading_time_s=article.reading_time_s,
    )
    assert article.reading_time_s == pytest.approx(article.word_count / 238 * 60, abs=1)
    assert article.word_count >= 8 * 18
    assert Article.from_bytes(article.to_bytes()) == article


@pytest.mark.parametrize("kind", ["html", "markdown", "text"])
def test_all_parsing_is_isolated(kind):
    isolate = InlineIsolate()

    extract.run(page(HTML, kind), make_tools(isolate=isolate))

    assert isolate.called == ["read_content"]


def test_article_stored_by_an_earlier_version_is_still_read():
    stored = b'{"text":"It opened.","markdown":"It opened.","title":"The lock","word_count":2}'

    article = Article.from_bytes(stored)

    assert (article.title, article.html, article.sections, article.authors, article.sources) == (
        "The lock",
        "",
        (),
        (),
        {},
    )


def test_what_crosses_to_the_child_and_back_can_be_pickled():
    assert pickle.loads(pickle.dumps(read_content)) is read_content
    found = read_content("html", HTML, b"", None)
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize("kind", ["html", "markdown", "text"])
def test_page_without_an_article_fails_for_good(kind):
    with pytest.raises(Permanent) as raised:
        extract.run(page("  \n", kind), make_tools())

    assert raised.value.code == "no_article"
