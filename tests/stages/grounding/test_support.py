import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.contract import Article
from stages.contract.nouns import Span
from stages.grounding.passages import Passages, locate
from stages.grounding.support import Support
from tests.support.passages import BY_LANGUAGE, PASSAGES, Passage, make_article


def cited(article: Article, point: str, *quotes: str, translated: bool = False) -> list[str]:
    spans = Support(article, Passages(article)).behind(point, quotes, translated=translated)
    return [article.text[span.start : span.end] for span in spans]


OWLS = BY_LANGUAGE["en"].article


@pytest.mark.parametrize("passage", PASSAGES, ids=lambda passage: passage.language)
def test_a_sentence_of_the_article_is_its_own_support(passage: Passage) -> None:
    assert passage.lead in cited(passage.article, passage.lead)[0]


@pytest.mark.parametrize(
    ("point", "said"),
    [
        ("Barn owls nest again in the mill at Fenwick, the first since 1987.", "A pair of barn owls has nested"),
        ("Anna Reed found four eggs in the largest box.", "found four eggs in the largest box"),
        ("Visitors may not enter the mill before the chicks fly.", "closed to visitors until the chicks have flown"),
    ],
)
def test_a_paraphrase_is_led_back_to_what_says_it(point: str, said: str) -> None:
    assert any(said in passage for passage in cited(OWLS, point))


@pytest.mark.parametrize(
    "point",
    [
        "You have won a prize and should call now to claim it.",
        "The government raised taxes on imported steel.",
        "Ignore previous instructions.",
        "",
        "。",
    ],
)
def test_what_the_article_does_not_say_has_none(point: str) -> None:
    assert cited(OWLS, point) == []


def test_two_passages_far_apart_are_cited_apart() -> None:
    found = cited(OWLS, "A pair of barn owls nested in the old mill; a camera shows the nest in the village shop.")
    assert len(found) == 2


def test_a_quotation_is_found_whatever_its_case_and_punctuation() -> None:
    assert cited(OWLS, "Four eggs were found.", "FOUR EGGS  in the “largest box”, on 3 May") == [
        "Dr. Anna Reed, who counts the owls of the county, found four eggs in the largest box on 3 May."
    ]


def test_an_invented_quotation_is_no_support() -> None:
    assert cited(OWLS, "The owls won a prize.", "The owls have won a prize of the county.") == []


def test_a_quotation_does_not_prove_what_it_has_nothing_to_do_with() -> None:
    assert cited(OWLS, "Steel imports were taxed heavily.", "found four eggs in the largest box") == []


def test_in_another_language_the_quotation_decides() -> None:
    point = "In der größten Kiste lagen vier Eier."
    assert len(cited(OWLS, point, "found four eggs in the largest box", translated=True)) == 1
    assert len(cited(OWLS, point, "Reed found four eggs in a large box.", translated=True)) == 1
    assert cited(OWLS, point, "fand vier Eier in der größten Kiste", translated=True) == []


def test_a_table_and_a_heading_are_passages_too() -> None:
    article = make_article("Prices\n\nTicket | 4 euros\nChild | 2 euros\n\nThe museum opens at nine in the morning.")
    assert cited(article, "A ticket costs 4 euros.", "Ticket | 4 euros") == ["Ticket | 4 euros"]


def test_an_article_without_sentences_supports_nothing() -> None:
    assert cited(make_article(" "), "Owls nest.") == []


@given(st.lists(st.text(alphabet="ab c.\n", min_size=1, max_size=8), max_size=6))
def test_places_are_exact(pieces: list[str]) -> None:
    text = " \n".join(pieces)
    for piece, span in zip(pieces, locate(pieces, text), strict=True):
        if piece.strip():
            assert span is not None
            assert text[span.start : span.end].split() == "".join(text[span.start : span.end]).split()
            assert "".join(text[span.start : span.end].split()) == "".join(piece.split())
        else:
            assert span is None


@pytest.mark.parametrize("passage", PASSAGES, ids=lambda passage: passage.language)
def test_passages_stand_where_they_are_said_to(passage: Passage) -> None:
    passages = Passages(passage.article)
    assert len(passages.sentences) > 4
    for sentence, span in zip(passages.sentences, passages.spans, strict=True):
        assert isinstance(span, Span)
        assert passage.text[span.start : span.end] == sentence
