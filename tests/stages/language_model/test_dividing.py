from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies

from stages.language_model.dividing import divide
from stages.language_model.tokens import estimate_tokens
from tests.support.passages import PASSAGES, Passage

BOOK = "\n\n".join(
    f"Chapter {chapter}\n"
    + "\n\n".join(f"Keeper {chapter} saw flood {flood}. He rang the bell." for flood in range(12))
    for chapter in range(8)
)
CHAPTERS = frozenset(f"Chapter {number}" for number in range(8))


def passages(text: str, max_tokens: int, **about: object) -> list[str]:
    return [text[start:end] for start, end in divide(text, max_tokens, estimate_tokens, **about)]


@settings(deadline=None)
@given(
    text=strategies.text(strategies.sampled_from("ab.。 \n水ж!—\t#"), max_size=800),
    max_tokens=strategies.integers(200, 600),
)
def test_together_they_are_the_text_and_none_is_too_large(text: str, max_tokens: int) -> None:
    spans = list(divide(text, max_tokens, estimate_tokens))
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(left[1] == right[0] for left, right in pairwise(spans))
    assert all(estimate_tokens(text[start:end]) <= max_tokens for start, end in spans)


@pytest.mark.parametrize("text", ["water " * 5_000, "water" * 5_000, "水" * 9_000, "ก" * 9_000])
def test_a_text_without_any_structure_is_cut_all_the_same(text: str) -> None:
    found = passages(text, 1_000)
    assert "".join(found) == text
    assert all(0 < estimate_tokens(passage) <= 1_000 for passage in found)


def test_what_fits_is_one_passage() -> None:
    assert passages(BOOK, 100_000) == [BOOK]
    assert passages("", 1_000) == []


def test_a_passage_begins_with_a_section_where_it_can() -> None:
    found = passages(BOOK, 400, headings=CHAPTERS)
    assert len(found) > 3
    assert all(passage.startswith("Chapter") for passage in found)


def test_without_sections_it_begins_with_a_paragraph() -> None:
    found = passages(BOOK, 400)
    assert all(passage.startswith(("Chapter", "Keeper")) for passage in found)


def test_a_line_that_is_too_long_is_cut_between_sentences() -> None:
    line = " ".join(f"Keeper {number} saw the flood come down the valley." for number in range(200))
    found = passages(line, 500)
    assert len(found) > 3
    assert all(passage.startswith("Keeper") for passage in found)


def test_no_passage_is_a_crumb() -> None:
    found = passages(BOOK, 400, headings=CHAPTERS)
    sizes = [estimate_tokens(passage) for passage in found[:-1]]
    assert min(sizes) * 2 >= 400 - 60


@pytest.mark.parametrize("passage", PASSAGES, ids=lambda passage: passage.language)
def test_scripts_of_all_kinds_are_cut(passage: Passage) -> None:
    text = "\n\n".join([passage.article.text] * 20)
    found = passages(text, 1_000, language=passage.language)
    assert "".join(found) == text
    assert max(estimate_tokens(part) for part in found) <= 1_000
