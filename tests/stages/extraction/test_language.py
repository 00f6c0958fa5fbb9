"""The language of a text, stated or detected."""

import pytest

from stages.extraction.language import language_of

GERMAN = "Der Fluss führt im Frühjahr deutlich mehr Wasser als sonst, weil in den Bergen der Schnee schmilzt."


@pytest.mark.parametrize("stated", ["en", "EN", "en-GB", "en_US", " en ", "en, fr"])
def test_stated_language_comes_before_the_text(stated):
    assert language_of(stated, GERMAN) == "en"


@pytest.mark.parametrize("stated", [None, "", "und", "mul", "x-default", "english", "c", "{{ lang }}"])
def test_text_is_asked_when_no_language_is_stated(stated):
    assert language_of(stated, GERMAN) == "de"


@pytest.mark.parametrize("text", ["", "   \n ", "Short text"])
def test_short_text_is_not_guessed_at(text):
    assert language_of(None, text) is None
