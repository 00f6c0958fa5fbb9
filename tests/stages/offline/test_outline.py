from stages.offline.outline import read_outline
from tests.support.passages import make_article

MARKDOWN = """# The weir

Boats pass the weir on Mondays only.

## Fish

Salmon climb the ladder in the autumn rain.

- Bring a rod and a licence, please.

```sh
make fish please and be quick.
```

| Year | Fish |
|---|---|
| 2024 | 12 |
"""
TEXT = """The weir

Home | News | Weather

Share this page

Boats pass the weir on Mondays only.

Fish

Salmon climb the ladder in the autumn rain.

Bring a rod and a licence, please.

make fish please and be quick.

Year Fish
2024 12
"""


def test_headings_code_tables_and_crumbs_are_no_sentences() -> None:
    outline = read_outline(make_article(TEXT, markdown=MARKDOWN, title="The weir"))
    assert [sentence.text for sentence in outline.sentences] == [
        "Boats pass the weir on Mondays only.",
        "Salmon climb the ladder in the autumn rain.",
        "Bring a rod and a licence, please.",
    ]


def test_sentences_know_their_section_and_whether_they_are_listed() -> None:
    outline = read_outline(make_article(TEXT, markdown=MARKDOWN, title="The weir"))
    headings = [outline.headings[sentence.section] for sentence in outline.sentences]
    assert headings == [None, "Fish", "Fish"]
    assert [sentence.is_listed for sentence in outline.sentences] == [False, False, True]


def test_hard_wrapped_paragraphs_are_joined() -> None:
    wrapped = (
        "The keeper of the upper weir lives alone with a dog and a wireless\n"
        "set, and he opens the gates whenever the river is high enough to\n"
        "carry a boat.\n"
    )
    assert [sentence.text for sentence in read_outline(make_article(wrapped)).sentences] == [" ".join(wrapped.split())]


def test_list_items_of_a_text_file_s_width_are_not_joined() -> None:
    items = [
        "Bring the boat into the chamber and make it fast with both ropes.",
        "Close the gate behind it slowly and wind the paddles down again.",
    ]
    outline = read_outline(make_article("\n".join(items), markdown="\n".join(f"- {item}" for item in items)))
    assert [sentence.text for sentence in outline.sentences] == items


def test_where_nothing_is_prose_every_line_counts() -> None:
    assert [sentence.text for sentence in read_outline(make_article("Opening hours\nMon 9-5")).sentences] == [
        "Opening hours",
        "Mon 9-5",
    ]
