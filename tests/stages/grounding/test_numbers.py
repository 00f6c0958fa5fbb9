import pytest

from stages.grounding.numbers import Numbers


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("1,000 boats", "1000 boats, 1.000 Boote, 1 000 bateaux, 1’000, a 1 000"),
        ("a thousand boats", "1,000 boats"),
        ("1.934.000 Euro", "1,934,000 euros"),
        ("1.934.000 Euro", "1.9 million, about 2 million, 1,93 Millionen"),
        ("2,5 Millionen", "2.5 million; 2 500 000"),
        ("3 Mrd. Euro", "3 billion; 3 milliards; 3 млрд"),
        ("5 Prozent", "5%, 5 %, 5 percent"),
        ("3 May 2026", "2026-05-03; 3/5/2026; 3. 5. 2026"),
        ("2026-05-03", "3 May 2026"),
        ("zwölf Monate", "12 months"),
        ("двадцать лет", "20 years"),
        ("三十五万人", "350,000 people"),
        ("350万人", "3.5 million; 350万"),
        ("二〇二四年", "2024"),
        ("١٢٣ قاربا", "123 boats"),
        ("the 1990s", "1990"),
        ("1,934 and 1,856", "about 1,900"),
        ("no figures", "no figures"),
    ],
)
def test_a_number_is_found_however_it_is_written(source: str, text: str) -> None:
    assert Numbers(source).missing(text) == []


@pytest.mark.parametrize(
    ("source", "text", "missing"),
    [
        ("1,000 boats", "2,000 boats", ["2,000"]),
        ("It cost 1.9 million.", "It cost 1.9 billion.", ["1.9 billion"]),
        ("in 2024", "in 2025, and 2025 again", ["2025"]),
        ("1,934 boats", "1,950 boats", ["1,950"]),
        ("a hundred", "40% of 100", ["40"]),
        ("350万人", "36万人", ["36万人"]),
        ("", "7", ["7"]),
    ],
)
def test_a_number_that_is_not_there_is_told_as_it_is_written(source: str, text: str, missing: list[str]) -> None:
    assert Numbers(source).missing(text) == missing
