import pytest

from stages.offline.entities import find_entities
from stages.offline.figures import dates, quantities


def kinds(sentences: list[str], language: str | None) -> dict[str, str]:
    return {entity.name: entity.kind for entity in find_entities(sentences, language)}


@pytest.mark.parametrize(
    ("language", "sentence", "name", "kind"),
    [
        ("en", "Yesterday Dr. Anna Reed spoke.", "Anna Reed", "person"),
        ("en", "The plan was drawn by Zsofia Barany, said Ilka Toth.", "Ilka Toth", "person"),
        ("en", "She works at the University of Hull.", "University of Hull", "organization"),
        ("en", "They met near the River Dee.", "River Dee", "place"),
        ("en", "The ship left Norway.", "Norway", "place"),
        ("de", "Das meldete das Landesamt für Umwelt in Leipzig.", "Leipzig", "place"),
        ("de", "Die leitende Ingenieurin Karin Vogt kam.", "Karin Vogt", "person"),
        ("fr", "La lampe vient de la Société Lumen.", "Société Lumen", "organization"),
        ("es", "Lo dijo Carmen Salvatierra ayer.", "Carmen Salvatierra", "person"),
        ("ru", "Часы сделал Иван Лебедев.", "Иван Лебедев", "person"),
        ("ja", "北湖大学の森山健一教授が発表した。", "森山健一", "person"),
        ("ja", "北湖大学の森山健一教授が発表した。", "北湖大学", "organization"),
        ("zh", "他在江苏省的工厂工作。", "江苏省", "place"),
        ("ar", "قال الدكتور خالد المنصور ذلك.", "خالد المنصور", "person"),
    ],
)
def test_names_are_found_and_told_apart(language: str, sentence: str, name: str, kind: str) -> None:
    assert kinds([sentence], language).get(name) == kind


def test_a_surname_counts_for_the_full_name() -> None:
    found = find_entities(["Ruth Calder came.", "Later Calder left.", "It was Calder's wall."], "en")
    assert [(entity.name, entity.mentions) for entity in found] == [("Ruth Calder", 3)]


def test_the_first_word_of_a_sentence_is_no_name_by_itself() -> None:
    assert kinds(["Farmers mend walls.", "Lambs sleep."], "en") == {}


def test_german_nouns_are_no_names() -> None:
    assert kinds(["Die Turbinen im Fluss drehen sich, und das Wasser der Mühle treibt das Rad am Haus."], "de") == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on 2024-05-01 and March 4, 2023", ["2024-05-01", "March 4, 2023"]),
        ("el 2 de junio de 2026", ["2 de junio de 2026"]),
        ("am 3. Oktober 1990", ["3. Oktober 1990"]),
        ("в 1742 году, 12 марта", ["1742", "12 марта"]),
        ("2027年4月に", ["2027年4月"]),
        ("room 1234.5, 300 km, £1,950", []),
    ],
)
def test_dates(text: str, expected: list[str]) -> None:
    assert dates(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.5 % of 3,400 boats", ["12.5 %", "3,400"]),
        ("6,8 Millionen Euro, 180 Meter", ["6,8 Millionen Euro", "180 Meter"]),
        ("$3.2 billion", ["$3.2 billion"]),
        ("800トンで3億円", ["800トン", "3億円"]),
        ("chapter 7, version 1.2.3", []),
    ],
)
def test_quantities(text: str, expected: list[str]) -> None:
    assert quantities(text) == expected
