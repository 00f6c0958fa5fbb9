import pytest

from stages.offline.keywords import key_phrases
from stages.offline.sentences import split_sentences
from tests.support.passages import BY_LANGUAGE


@pytest.mark.parametrize(
    ("language", "topic"),
    [
        ("en", "owls"),
        ("de", "Brücke"),
        ("fr", "phare"),
        ("es", "tren"),
        ("ru", "Лебедев"),
        ("zh", "雨水"),
        ("ja", "図書館"),
        ("ar", "القنوات"),
    ],
)
def test_the_subject_is_among_the_first_topics(language: str, topic: str) -> None:
    passage = BY_LANGUAGE[language]
    sentences = [sentence for paragraph in passage.paragraphs for sentence in split_sentences(paragraph, language)]
    assert topic in key_phrases(sentences, passage.title, language, limit=4)


def test_a_word_that_lives_in_a_phrase_is_left_to_it() -> None:
    sentences = ["The harbour trust met.", "A harbour trust pays.", "Nobody trusts the harbour trust."]
    assert key_phrases(sentences, None, "en", limit=3)[0] == "harbour trust"
    assert "harbour" not in key_phrases(sentences, None, "en", limit=3)


def test_phrases_do_not_reach_across_punctuation() -> None:
    sentences = ["We saw boats, gates and locks.", "They drew boats, gates and locks."]
    assert not any(" " in phrase for phrase in key_phrases(sentences, None, "en", limit=9))


def test_a_text_without_repetition_still_has_topics() -> None:
    assert key_phrases(["Beavers dam rivers."], None, "en", limit=3)


def test_no_text_has_no_topics() -> None:
    assert key_phrases([], None, "en", limit=3) == []
