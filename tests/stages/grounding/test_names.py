import pytest

from stages.grounding.names import Names
from tests.support.passages import BY_LANGUAGE, PASSAGES, Passage


@pytest.mark.parametrize("passage", PASSAGES, ids=lambda passage: passage.language)
def test_an_article_has_all_names_of_itself(passage: Passage) -> None:
    assert Names(passage.text, passage.language).missing(passage.text, passage.language) == []


@pytest.mark.parametrize(
    ("language", "text", "missing"),
    [
        ("en", "Dr. Reed of Fenwick counted them with Dr. Harold Finch.", ["Harold Finch"]),
        ("en", "The owls were counted by the Royal Bird Society in Fenwick.", ["Royal Bird Society"]),
        ("de", "Bürgermeisterin Petra Lang und Minister Klaus Vogt eröffnen die Brücke in Weidenau.", ["Klaus Vogt"]),
        ("fr", "Hélène Le Goff et Pierre Martin de Brest.", ["Pierre Martin de Brest"]),
        ("ru", "Иван Лебедев и Пётр Смирнов открыли музей в Заречье.", ["Пётр Смирнов"]),
    ],
)
def test_names_that_it_does_not_have_are_told(language: str, text: str, missing: list[str]) -> None:
    assert Names(BY_LANGUAGE[language].text, language).missing(text, language) == missing


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Obama met the chancellor.", "President Barack Obama met the chancellor."),
        ("The United Nations met.", "Officials of the UN met."),
        ("The Department of Justice sued.", "Yesterday the DOJ sued."),
        ("She lives in Berlin.", "She is a Berliner now."),
        ("Ellery opened the gates of Marlow Lock.", "At Marlow Lock, Ellery's gates were opened."),
    ],
)
def test_another_form_of_a_name_is_known(source: str, text: str) -> None:
    assert Names(source, "en").missing(text, "en") == []
