import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.offline.condensing import condense
from stages.offline.sentences import split_sentences
from tests.support.passages import BY_LANGUAGE, make_article

CHAPTERS = [
    "\n\n".join(
        f"In chapter {chapter} the river rises by {line} feet. Keeper number {chapter * 100 + line} shuts a gate."
        for line in range(20)
    )
    for chapter in range(30)
]
BOOK = make_article("\n\n".join(CHAPTERS))


@settings(max_examples=15, deadline=None)
@given(st.integers(min_value=200, max_value=40_000))
def test_the_result_fits_and_keeps_sentences_whole_and_in_order(max_chars: int) -> None:
    condensed = condense(BOOK, max_chars)
    assert len(condensed) <= max_chars
    places = [BOOK.text.index(sentence) for block in condensed.split("\n\n") for sentence in split_sentences(block)]
    assert places == sorted(places)


def test_beginning_middle_and_end_are_all_read() -> None:
    condensed = condense(BOOK, 6_000)
    assert len(condensed) > 5_500
    read = {BOOK.text.index(passage) * 10 // len(BOOK.text) for passage in condensed.split("\n\n")}
    assert read == set(range(10))


@pytest.mark.parametrize("language", ["zh", "ja", "ar"])
def test_scripts_of_all_kinds_are_condensed(language: str) -> None:
    article = BY_LANGUAGE[language].article
    condensed = condense(article, len(article.text) // 2)
    assert 0 < len(condensed) <= len(article.text) // 2


def test_a_text_that_never_ends_a_sentence_is_still_condensed() -> None:
    assert 0 < len(condense(make_article("water " * 5_000), 2_000)) <= 2_000
