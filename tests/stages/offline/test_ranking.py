import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.offline.lexrank import centrality, cosine, tf_idf
from stages.offline.outline import read_outline
from stages.offline.ranking import pick, rank
from tests.support.passages import make_article

BAGS = st.lists(st.lists(st.sampled_from("abcdefg"), max_size=6), max_size=12)


@given(BAGS)
def test_centrality_is_a_finite_share_of_the_highest(bags: list[list[str]]) -> None:
    scores = centrality(tf_idf(bags))
    assert len(scores) == len(bags)
    assert all(0 < score <= 1 for score in scores)


@given(BAGS)
def test_cosine_is_symmetric_and_bounded(bags: list[list[str]]) -> None:
    vectors = tf_idf(bags)
    for one in vectors:
        for other in vectors:
            assert cosine(one, other) == pytest.approx(cosine(other, one))
            assert -1e-9 <= cosine(one, other) <= 1 + 1e-9


def test_a_sentence_unlike_all_others_is_least_central() -> None:
    bags = [["lock", "gate"], ["gate", "water"], ["sheep", "wool"], ["lock", "water", "gate"]]
    scores = centrality(tf_idf(bags))
    assert min(scores) == scores[2]


def test_a_repeated_sentence_is_picked_once() -> None:
    text = (
        "The lock lifts boats by three metres. The lock lifts boats by three metres. "
        "Salmon climb a ladder beside it. Farmers upstream fear the floods of spring."
    )
    ranked = rank(read_outline(make_article(text)), None, "en")
    picked = [item.sentence.text for item in pick(ranked, 2)]
    assert picked.count("The lock lifts boats by three metres.") == 1


def test_what_was_told_elsewhere_is_not_picked() -> None:
    text = "Boats climb. Locks fill slowly with river water. Keepers sleep at night in small houses."
    ranked = rank(read_outline(make_article(text)), None, "en")
    told = pick(ranked, 1)
    rest = pick(ranked, 3, avoiding=told)
    assert len(rest) == 2
    assert told[0] not in rest
