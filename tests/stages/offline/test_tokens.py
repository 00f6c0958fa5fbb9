import pytest

from stages.offline.stopwords import stopwords_for
from stages.offline.tokens import stem, terms, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("l'été, d'un coup", ["l'été", "d'un", "coup"]),
        ("पानी की कमी", ["पानी", "की", "कमी"]),
        ("قنوات الماءِ", ["قنوات", "الماءِ"]),
        ("ABC社のロボット3台", ["ABC", "社", "の", "ロボット", "3", "台"]),
        ("雨水-灌溉", ["雨水", "灌溉"]),
    ],
)
def test_words_of_many_scripts(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_terms_of_spaced_scripts_are_stems_without_stop_words() -> None:
    assert terms("Die Brücken über der Lahne", stopwords_for("de")) == ["brücken", "lahne"]


def test_terms_of_unspaced_scripts_are_bigrams_without_particles() -> None:
    assert terms("我们的雨水池", frozenset()) == ["雨水", "水池"]


@pytest.mark.parametrize(
    ("one", "other"), [("canals", "canal"), ("Turbinen", "Turbine"), ("городе", "город"), ("القنوات", "قنوات")]
)
def test_forms_of_one_word_share_a_stem(one: str, other: str) -> None:
    assert stem(one) == stem(other)
