"""Words in scripts with spaces, without them, and with marks inside of words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.extraction.counting import word_count


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("– … * _ 。", 0),
        ("One two, three.", 3),
        ("It's a well-known 3.5 km", 5),
        ("हिन्दी भाषा", 2),
        ("می‌خواهم بروم", 2),
        ("cafe\u0301 noir", 2),
        ("Donau\u00addampf\u00adschiff", 1),
        ("한국어 문장입니다", 2),
        ("水門は四つある", 7),
        ("新版 Windows 11 发布", 6),
        ("น้ำ", 2),
    ],
)
def test_words_are_counted(text, words):
    assert word_count(text) == words


@given(st.text(), st.text())
def test_paragraphs_add_up(one, two):
    assert word_count(f"{one}\n\n{two}") == word_count(one) + word_count(two)
