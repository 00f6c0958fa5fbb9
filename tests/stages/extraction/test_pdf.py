"""PDF documents as articles."""

import pytest

from stages.contract import Permanent
from stages.extraction.pdf import extract_pdf
from tests.support.pdfs import bomb, image_only, many_pages, pdf_of

FIRST = ["The old water gate was opened again on Monday, after two years of repairs that", "cost more than planned."]


def page(number: int, *body: str) -> list[str]:
    return ["Lock Keepers' Review", *body, f"Page {number} of 4"]


def code_of(body: bytes) -> str:
    with pytest.raises(Permanent) as raised:
        extract_pdf(body)
    return raised.value.code


def test_paragraphs_go_on_across_lines_and_pages_without_what_every_page_has():
    found = extract_pdf(
        pdf_of(
            [
                page(1, *FIRST, "Nobody had expected so many visitors, and the keeper had to close the foot-"),
                page(2, "bridge before noon, which pleased no one who had come from far away to see it."),
                page(3, "- a rope", "- a windlass that has been in use for longer than anybody can remember now"),
                page(4, "The inquiry found that electric gates would have failed in the flood of June,", "too."),
            ]
        )
    )

    assert found.text.split("\n\n") == [
        " ".join(FIRST),
        "Nobody had expected so many visitors, and the keeper had to close the footbridge before noon, which pleased "
        "no one who had come from far away to see it.",
        "- a rope",
        "- a windlass that has been in use for longer than anybody can remember now The inquiry found that electric "
        "gates would have failed in the flood of June, too.",
    ]
    assert found.page_count == 4
    assert found.language == "en"


def test_bookmarks_make_headings():
    found = extract_pdf(pdf_of([["1 Gates", *FIRST], ["2 Sills", *FIRST]], bookmarks=[("1 Gates", 0), ("2 Sills", 1)]))

    assert [(section.heading, section.level) for section in found.sections] == [("1 Gates", 2), ("2 Sills", 2)]
    assert found.markdown.startswith("## 1 Gates\n\nThe old water gate")
    assert '<h2 id="1-gates">1 Gates</h2>' in found.html


def test_metadata():
    info = {
        "Title": "Locks",
        "Author": "Ana Weir, Ben Lock",
        "CreationDate": "D:20260304050607+01'00'",
        "ModDate": "D:20260305",
    }
    found = extract_pdf(pdf_of([FIRST], info))

    assert (found.metadata.title, found.metadata.authors) == ("Locks", ("Ana Weir", "Ben Lock"))
    assert (found.metadata.published, found.metadata.modified) == ("2026-03-04T05:06:07+01:00", "2026-03-05")
    assert found.sources == dict.fromkeys(("title", "authors", "published", "modified"), "pdf") | {
        "language": "detected"
    }


def test_file_name_is_no_title():
    found = extract_pdf(pdf_of([["About locks", *FIRST]], {"Title": "Microsoft Word - locks.docx"}))

    assert found.metadata.title != "Microsoft Word - locks.docx"


def test_file_without_its_table_is_read_all_the_same():
    whole = pdf_of([FIRST])

    assert extract_pdf(whole.replace(b"xref\n0", b"lost\n0").replace(b"startxref", b"")).text == " ".join(FIRST)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (pdf_of([FIRST], password="gate"), "pdf_encrypted"),
        (image_only(), "pdf_no_text"),
        (b"%PDF-1.7\nnothing more", "pdf_damaged"),
        (pdf_of([FIRST])[:200], "pdf_damaged"),
        (many_pages(6_000), "pdf_too_long"),
        (bomb(64), "pdf_no_text"),
    ],
)
def test_what_cannot_be_read_has_a_code(body, code):
    assert code_of(body) == code
