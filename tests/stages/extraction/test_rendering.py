"""Rendering a tree. The Markdown is judged by an independent CommonMark parser, not by its spelling alone."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from stages.contract import Permanent
from stages.extraction.rendering import Rendered, escaped_markdown, render
from stages.extraction.trees import LINK_SCHEMES, drop_unrendered, parse_page

BASE = "https://water.example/guide/locks.html"


def rendered(html: str, base: str | None = BASE) -> Rendered:
    tree = parse_page(html)
    drop_unrendered(tree)
    return render(tree, base)


def tokens(markdown: str) -> list[Token]:
    """All tokens, inline ones too; a link to anything counts as a link, raw HTML as raw HTML."""
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    blocks = parser.parse(markdown)
    return blocks + [child for block in blocks for child in block.children or []]


@pytest.mark.parametrize(
    ("html", "text", "markdown"),
    [
        ("<p>One.<p>Two.", "One.\n\nTwo.", "One.\n\nTwo."),
        ("<h2>Gates &amp; sills</h2><p>Text.", "Gates & sills\n\nText.", "## Gates & sills\n\nText."),
        ("<p>a\n   b&nbsp; c", "a b c", "a b c"),
        ("<p>one<br>two<br><br>three", "one\ntwo\n\nthree", "one  \ntwo\n\nthree"),
        ("<div>loose<p>para</p>tail</div>", "loose\n\npara\n\ntail", "loose\n\npara\n\ntail"),
        ("<p>a <b> bold </b>word, <em>so</em>", "a bold word, so", "a **bold** word, *so*"),
        ("<p>Donau&shy;dampf&shy;schiff", "Donaudampfschiff", "Donaudampfschiff"),
        ("<p><ruby>水門<rp>(</rp><rt>すいもん</rt><rp>)</rp></ruby>は", "水門は", "水門は"),
        ("<blockquote><p>a<p>b</blockquote>", "a\n\nb", "> a\n>\n> b"),
        ("<p>a<hr><p>b", "a\n\nb", "a\n\n---\n\nb"),
    ],
)
def test_text_and_markdown_of_prose(html, text, markdown):
    assert rendered(html) == Rendered(text, markdown)


def test_list_items_keep_their_order_and_nesting():
    html = "<ol start=3><li>Open<li>Fill<ul><li>slowly<li>fully</ul><li>Close</ol>"

    assert rendered(html).text == "3. Open\n4. Fill\n   - slowly\n   - fully\n5. Close"
    assert rendered(html).markdown == rendered(html).text


def test_list_item_numbered_with_something_odd_starts_at_one():
    assert rendered("<ol start='²'><li>Open</ol>").text == "1. Open"


def test_blocks_of_a_list_item_stay_apart_in_markdown():
    html = "<ul><li><p>Run:</p><pre>one\n\n  two</pre><p>Then stop.</p></ul>"

    assert rendered(html).text == "- Run:\n  one\n\n    two\n  Then stop."
    assert [token.content for token in tokens(rendered(html).markdown) if token.type == "fence"] == ["one\n\n  two\n"]


def test_table_rows_are_lines_of_cells():
    html = (
        "<table><caption>Levels</caption><tr><th>Gauge<th>Metres<tr><td>Upper<td>4.2<tr><td><code>a|b</code><td>x|y"
        "</table>"
    )

    assert rendered(html).text == "Levels\n\nGauge\tMetres\nUpper\t4.2\na|b\tx|y"
    cells = [token.content for token in tokens(rendered(html).markdown) if token.type == "inline"]
    assert cells == ["Levels", "Gauge", "Metres", "Upper", "4.2", "`a|b`", r"x|y"]


@pytest.mark.parametrize(
    "html",
    [
        "<table><tr><td><p>First paragraph.<p>Second one.<td>aside<tr><td>x<td>y</table>",
        "<table><tr><td>First paragraph.</td></tr><tr><td>Second one.</td></tr></table>",
        "<table><tr><td><table><tr><td>First paragraph.<tr><td>Second one.</table></table>",
    ],
)
def test_layout_tables_are_read_as_running_text(html):
    assert rendered(html).text.startswith("First paragraph.\n\nSecond one.")


def test_code_keeps_its_white_space_and_language():
    html = '<pre><code class="hljs language-python">def f():\n\n    return 1  # &lt;b&gt;\n</code></pre>'

    assert rendered(html).text == "def f():\n\n    return 1  # <b>"
    assert rendered(html).markdown == "```python\ndef f():\n\n    return 1  # <b>\n```"


@pytest.mark.parametrize(
    "html",
    [
        "<pre>a\n  b</pre>",
        "<pre>a<br>  b</pre>",
        "<pre><div>a</div><div>  b</div></pre>",
        "<pre><span>a</span>\n<span>  b</span></pre>",
    ],
)
def test_lines_of_code_stay_lines_however_a_highlighter_marks_them(html):
    assert rendered(html).text == "a\n  b"


def test_code_cannot_end_its_own_fence():
    code = "x\n```\n<script>alert(1)</script>\n````\ny"
    found = tokens(rendered(f"<pre>{code.replace('<', '&lt;')}</pre>").markdown)

    assert [(token.type, token.content) for token in found] == [("fence", code + "\n")]


def test_code_cannot_end_its_own_span():
    found = tokens(rendered("<p><code>a `b`<br><br>&lt;i&gt;</code>").markdown)

    assert [token.content for token in found if token.type == "code_inline"] == ["a `b` <i>"]


@pytest.mark.parametrize(
    ("href", "absolute"),
    [
        ("../tide", "https://water.example/tide"),
        ("#sill", "https://water.example/guide/locks.html#sill"),
        ("//cdn.example/x", "https://cdn.example/x"),
        ("mailto:keeper@water.example", "mailto:keeper@water.example"),
        ("https://water.example/a (b)", "https://water.example/a%20%28b%29"),
        ("https://water.example/水門", "https://water.example/水門"),
    ],
)
def test_links_are_absolute(href, absolute):
    assert rendered(f'<p>See <a href="{href}">this</a>.').markdown == f"See [this]({absolute})."


@pytest.mark.parametrize(
    "href",
    ["javascript:alert(1)", " JaVa\nscript:alert(1)", "\x01javascript:x", "data:text/html,x", "vbscript:x", "", "//["],
)
def test_other_links_leave_their_words_only(href):
    assert rendered(f'<p>See <a href="{href}">this</a>.').markdown == "See this."


def test_relative_link_without_a_page_address_leaves_its_words_only():
    assert rendered('<p>See <a href="x">this</a>.', base=None).markdown == "See this."


def test_images_are_kept_as_links_with_their_description():
    html = '<p><img src="i/gate.png" alt="A [gate]"><img src="data:image/png;base64,AA==" alt="x"><img src="dot.gif">'

    assert rendered(html) == Rendered("", r"![A \[gate\]](https://water.example/guide/i/gate.png)")


@pytest.mark.parametrize(
    "line", ["1. May", "7) x", "# x", "### x", "- x", "+ x", "---", "===", "~~~", "> x", "* x", "_ _ _", "2024. A year"]
)
def test_prose_that_looks_like_markup_stays_prose(line):
    found = tokens(rendered(f"<p>{line.replace('>', '&gt;')}").markdown)

    assert [token.type for token in found[:3]] == ["paragraph_open", "inline", "paragraph_close"]
    assert "".join(child.content for child in found[1].children or []) == line


@pytest.mark.parametrize("line", ["snake_case_name", "1.5 m", "it's - well - fine", "a & b", "C#"])
def test_ordinary_prose_is_not_escaped(line):
    assert escaped_markdown(line) == line


TAGS = re.findall(r"\w+", "a b blockquote br code div em h1 hr i img li ol p pre script span style table td th tr ul")
ATTRIBUTES = ['href="javascript:x"', 'href="/a b"', 'src="x>y" alt="]("', "class=language-<b>", "start=9", "colspan=x"]
WHOLE = [
    "<b>",
    "<!-- x -->",
    "[x](javascript:x)",
    "![x](data:x)",
    "<javascript:x>",
    "[x]: javascript:x",
    "[x]",
    "\\<b>",
]
PARTS = [
    "<",
    "i>",
    "]",
    "(javascript:x)",
    "[",
    "```",
    "\n\n",
    "*",
    "_",
    "\\",
    "#",
    "- ",
    "1.",
    "&lt;",
    "|",
    "水",
    "\x01",
]
OPENING = st.builds("<{} {}>".format, st.sampled_from(TAGS), st.sampled_from(["", *ATTRIBUTES]))
CLOSING = st.sampled_from(TAGS).map("</{}>".format)
ESCAPED = st.sampled_from(WHOLE + PARTS).map(lambda word: word.replace("&", "&amp;").replace("<", "&lt;"))
SOUP = st.lists(st.one_of(OPENING, CLOSING, ESCAPED, st.text(max_size=8)), max_size=30).map("".join)


@settings(max_examples=200, deadline=None)
@given(SOUP)
def test_no_markup_of_the_page_survives_as_markup(html):
    try:
        markdown = rendered(html).markdown
    except Permanent:
        return

    found = tokens(markdown)

    assert not [token for token in found if token.type.startswith("html")], markdown
    addresses = [
        token.attrGet("href") or token.attrGet("src") for token in found if token.type in ("link_open", "image")
    ]
    assert {str(address).partition(":")[0] for address in addresses} <= LINK_SCHEMES, markdown
