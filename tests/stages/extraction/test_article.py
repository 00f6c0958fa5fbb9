"""Choosing the article of whole pages, sound and broken ones."""

import re
from collections.abc import Callable
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.contract import Permanent, StageError
from stages.extraction.article import extract_html
from stages.extraction.extracted import Extracted
from stages.extraction.plain import extract_text
from stages.extraction.trees import MAX_DEPTH

URL = "https://water.example/news/lock.html"
SENTENCES = {
    "en": "The old lock was opened again on Monday, after two years of repairs that cost more than anyone had planned.",
    "de": "Die alte Schleuse wurde am Montag wieder geöffnet, nach zwei Jahren Bauzeit, die teurer war als geplant.",
    "fr": "La vieille écluse a été rouverte lundi, après deux ans de travaux qui ont coûté plus cher que prévu.",
    "ja": "古い水門は月曜日に再び開かれ、二年にわたる修理の費用は、当初の予定を大きく上回った。",
    "zh": "旧水闸星期一重新开放，经过两年的维修，费用远远超过了原来的计划，居民们非常高兴。",
    "ar": "أعيد فتح الهويس القديم يوم الاثنين، بعد عامين من أعمال الإصلاح، التي كلفت أكثر مما كان مخططا له.",
    "ru": "Старый шлюз снова открыли в понедельник, после двух лет ремонта, который обошёлся дороже, чем ожидали.",
    "hi": "पुराना जलद्वार सोमवार को फिर से खोला गया, दो साल की मरम्मत के बाद, जिसकी लागत योजना से अधिक रही।",
    "th": "ประตูน้ำเก่าเปิดใช้อีกครั้งในวันจันทร์ หลังจากซ่อมแซมเป็นเวลาสองปี ซึ่งมีค่าใช้จ่ายมากกว่าที่วางแผนไว้",
}
MENU = "".join(f'<li><a href="/{name}">{name.title()} section</a></li>' for name in ("home", "news", "sport", "about"))
PARAGRAPHS = f"<p>{SENTENCES['en']} {SENTENCES['en']}</p>" * 4


def page(article: str, *, head: str = "", html: str = "", body: str = "") -> str:
    return f"""<!DOCTYPE html><html {html}><head><title>The lock - Water News</title>{head}</head><body {body}>
        <header><nav><ul>{MENU}</ul></nav></header>
        <div class="content"><article><h1>The lock</h1>{article}</article></div>
        <aside class="sidebar"><ul>{MENU}</ul></aside>
        <footer><p>© 2026 Water News. All rights reserved.</p></footer><script>track("visit")</script></body></html>"""


@pytest.mark.parametrize("language", SENTENCES)
def test_article_is_found_in_any_language(language):
    sentence = SENTENCES[language]

    found = extract_html(page(f"<p>{sentence} {sentence}</p>" * 4), URL)

    assert found.text.count(sentence) == 8
    assert "section" not in found.text
    assert "track" not in found.text
    assert found.language == language
    assert found.metadata.title
    assert found.word_count > 80


def test_stated_language_is_believed():
    assert extract_html(page(PARAGRAPHS, html='lang="nl-BE"'), URL).language == "nl"


def test_structure_of_the_article_is_kept():
    article = (
        f"{PARAGRAPHS}<h2>Figures</h2><table><tr><th>Gate</th><th>Metres, at low water</th></tr>"
        f"<tr><td>Upper gate</td><td>4.2, as measured</td></tr></table>{PARAGRAPHS}"
        f'<ul><li>Open at six, daily</li><li>Shut at ten</li></ul><p>More <a href="../log">in the log</a>, he said.</p>'
        f"<pre><code>gate --open\n  --slowly</code></pre>{PARAGRAPHS}"
    )

    found = extract_html(page(article), URL)

    for piece in (
        "\n\n## Figures\n\n",
        "| Gate | Metres, at low water |\n| --- | --- |\n| Upper gate | 4.2, as measured |",
        "- Open at six, daily\n- Shut at ten",
        "[in the log](https://water.example/log)",
        "```\ngate --open\n  --slowly\n```",
    ):
        assert piece in found.markdown
    assert "gate --open\n  --slowly" in found.text
    assert "Upper gate\t4.2, as measured" in found.text


@pytest.mark.parametrize(
    ("html", "body"), [("hidden", ""), ("", "hidden"), ("", 'style="visibility:hidden"'), ('style="display:none"', "")]
)
def test_page_that_hides_itself_until_its_scripts_run_is_read(html, body):
    assert extract_html(page(PARAGRAPHS, html=html, body=body), URL).text.count(SENTENCES["en"]) == 8


def test_content_that_only_scripts_would_show_is_read_when_there_is_no_other():
    html = f'<body><div id="app" style="display: none">{PARAGRAPHS}</div><p>Loading</p></body>'

    assert SENTENCES["en"] in extract_html(html, URL).text


@pytest.mark.parametrize("hiding", ["hidden", 'style="display:none"', 'style="color:red; visibility: hidden"'])
def test_hidden_parts_do_not_get_into_the_article(hiding):
    decoy = f"<div {hiding}>{'<p>This is a secret sentence, and nobody should ever read it.</p>' * 100}</div>"

    found = extract_html(page(PARAGRAPHS + decoy), URL)

    assert SENTENCES["en"] in found.text
    assert "secret" not in found.text


@pytest.mark.parametrize("wrapper", ["form", "noscript", "nav"])
def test_page_inside_a_wrapper_that_extractors_skip_is_read(wrapper):
    assert extract_html(f"<body><{wrapper}>{PARAGRAPHS}</{wrapper}></body>", URL).text.count(SENTENCES["en"]) == 8


def test_article_that_readability_takes_for_comments_is_found_all_the_same():
    html = f'<body><div class="comment"><div class="footer">{PARAGRAPHS}</div></div></body>'

    assert SENTENCES["en"] in extract_html(html, URL).text


@pytest.mark.parametrize("tag", ["div", "blockquote", "ul><li", "b", "table><tr><td", "span"])
@pytest.mark.parametrize("depth", [MAX_DEPTH, 1000])
def test_text_is_found_however_deep_it_is_nested(tag, depth):
    html = f"<body>{f'<{tag}>' * (depth // (tag.count('>') + 1))}{PARAGRAPHS}"

    assert SENTENCES["en"] in extract_html(html, URL).text


@pytest.mark.parametrize(
    "html",
    [
        f"<p>{SENTENCES['en']}<div><b>{PARAGRAPHS}<i></b></p></table></i>",
        f"<?xml version='1.0' encoding='utf-16'?><html><body>{PARAGRAPHS}</body></html>",
        f"\ufeff<html><meta charset='shift_jis'><body>{PARAGRAPHS}",
        f"\x00<html><body\x00>{PARAGRAPHS}&#1;&#x1f;&#0031x\x02<!-- <p> --",
        f'<div><class="row">{PARAGRAPHS}</class></div>',
        f"<o:p>{PARAGRAPHS}</o:p><x{{y>z<a href='http://['>a</a>",
        PARAGRAPHS,
    ],
)
def test_malformed_pages_are_read(html):
    assert SENTENCES["en"] in extract_html(html, URL).text


@pytest.mark.parametrize(
    "html",
    [
        "",
        "  \n",
        "<!-- nothing -->",
        "<html><head><title>Water News</title></head></html>",
        "<html><body></body></html>",
        "<frameset><frame src='a'></frameset>",
        "<body><script>const text = 'this is no article, it is a script, is it not';</script><div id=app></div></body>",
        f"<body><ul>{MENU}</ul><div>{MENU}</div></body>",
        f"<body><nav><ul>{MENU * 30}</ul></nav><footer>© 2026 Water News. All rights reserved.</footer></body>",
        "<body><img src='a.png'><p> </p><table><tr><td></td></tr></table></body>",
    ],
)
def test_page_without_an_article(html):
    with pytest.raises(Permanent) as raised:
        extract_html(html, URL)

    assert raised.value.code == "no_article"


def test_markdown_is_read_and_written_anew():
    source = (
        "Intro.\n\n## The *lock*\n\n"
        "It [opened](https://water.example/a), see [this](javascript:x) <b onclick=x>now</b>.\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n```sh\nopen  --now\n```\n\n* one\n* two\n"
    )

    found = extract_text(source, "markdown")

    assert found.metadata.title == "The lock"
    assert found.text == (
        "Intro.\n\nThe lock\n\nIt opened, see [this](javascript:x) now.\n\na\tb\n1\t2\n\nopen  --now\n\n- one\n- two"
    )
    assert r"[opened](https://water.example/a), see \[this\](javascript:x) **now**." in found.markdown
    assert "```sh\nopen  --now\n```" in found.markdown


def test_markdown_without_a_heading_is_titled_by_a_short_first_line():
    assert extract_text("The lock\n\nIt opened.", "markdown").metadata.title == "The lock"


def test_plain_text_keeps_its_paragraphs_and_means_nothing_in_markdown():
    found = extract_text("The lock\r\n\r\n\r\n\r\n1. <b>It</b> opened.\rThen [it](x) shut.", "text")

    assert found.text == "The lock\n\n1. <b>It</b> opened.\nThen [it](x) shut."
    assert found.markdown == "The lock\n\n1\\. \\<b\\>It\\</b\\> opened.\nThen \\[it\\](x) shut."
    assert found.metadata.title == "The lock"


@pytest.mark.parametrize("first", ["It opened today.", "x" * 121])
def test_first_line_that_reads_like_prose_is_no_title(first):
    assert extract_text(f"{first}\n\nMore.", "text").metadata.title is None


@pytest.mark.parametrize("kind", ["text", "markdown"])
@pytest.mark.parametrize("text", ["", " \n\n ", "---", "* \n* "])
def test_text_without_words(text, kind):
    with pytest.raises(Permanent) as raised:
        extract_text(text, kind)

    assert raised.value.code == "no_article"


TAGS = re.findall(
    r"\w+", "article body div form head html li nav noscript p pre script select style table td title tr ul"
)
PIECES = st.one_of(
    st.sampled_from(TAGS).map("<{}>".format),
    st.sampled_from(TAGS).map("</{}>".format),
    st.sampled_from(
        ["<p hidden>", "<div style=display:none>", "<meta charset=x>", "<base href='http://['>", "<a href=//[>"]
    ),
    st.sampled_from(
        ['<script type="application/ld+json">{"datePublished":"x","author":[1]}</script>', "<time datetime=9>"]
    ),
    st.sampled_from(["<!--", "-->", "<![CDATA[", "<?php", "&#1;", "&#xD800;", "\ud800", "\x00", "\ufeff", "<o:p>"]),
    st.sampled_from(list(SENTENCES.values())),
    st.text(max_size=10),
)


def outcome(extract: Callable[..., Extracted], *page: str | None) -> Extracted | str:
    """The article, or the code of the error; any other exception is a defect."""
    try:
        return extract(*page)
    except StageError as error:
        return error.code


@settings(max_examples=120, deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join), st.sampled_from([URL, None]))
def test_tag_soup_gives_an_article_or_a_coded_error(html, url):
    found = outcome(extract_html, html, url)

    if isinstance(found, Extracted):
        assert found.word_count > 0
        assert found.text.strip() == found.text != ""
        assert found.metadata.title != "[no-title]"
    else:
        assert found in ("no_article", "parse_failed")


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES, max_size=20).map("".join), st.sampled_from(["text", "markdown"]))
def test_any_text_gives_an_article_or_a_coded_error(text, kind):
    found = outcome(extract_text, text, kind)

    assert found == "no_article" or (isinstance(found, Extracted) and found.word_count > 0)


def test_time_grows_with_the_length_of_a_page_and_not_faster():
    def seconds(copies: int) -> float:
        page = f"<h2>A head</h2>\n<p>{SENTENCES['en']} <em>And</em> <a href=/x>so</a> on.</p>\n" * copies
        started = perf_counter()
        extract_html(f"<body><article>{page}", URL)
        return perf_counter() - started

    seconds(10)
    short, long = min(seconds(400) for _ in range(3)), seconds(4000)

    # Linear is 10, quadratic 100.
    assert long < 35 * short
