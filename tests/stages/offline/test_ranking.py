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


def test_a_sentence_that_would_make_it_too_long_is_passed_over() -> None:
    short, long, other = (
        "The lock lifts boats of all kinds by three metres.",
        "Salmon climb a ladder of forty steps that the county built beside it in the summer of last year.",
        "Farmers upstream of the weir fear floods.",
    )
    ranked = rank(read_outline(make_article(f"{short} {long} {other}", title="Lock lifts boats")), short, "en")
    assert [item.sentence.text for item in pick(ranked, 2)] == [short, long]
    assert [item.sentence.text for item in pick(ranked, 2, max_words=18)] == [short, other]


def test_one_long_sentence_is_better_than_none() -> None:
    ranked = rank(read_outline(make_article("The lock lifts boats by three metres.")), None, "en")
    assert len(pick(ranked, 3, max_words=2)) == 1


def test_nothing_is_picked_that_adds_too_little() -> None:
    text = "The lock lifts boats by three metres. The lock lifts boats by three metres. Is it so?"
    ranked = rank(read_outline(make_article(text, title="Boats in the lock")), "Boats in the lock", "en")
    assert len(pick(ranked, 3)) == 3
    assert len(pick(ranked, 3, least_share=0.8)) == 2


def scores(text: str, *, title: str | None = None, markdown: str | None = None) -> dict[str, float]:
    outline = read_outline(make_article(text, title=title, markdown=markdown))
    return {item.sentence.text: item.score for item in rank(outline, title, "en")}


FILLER = "Sheep graze beside the towpath in winter and give warm wool."


def test_what_the_text_returns_to_outweighs_an_aside_before_it() -> None:
    central = "Lock gates hold back the water of the upper canal."
    about_gates = "Canal gates leak water. Gates of a lock rot in water. Old gates let the upper canal sink."
    found = scores(f"Boats come. {FILLER} {central} {about_gates}")
    assert found[central] > found[FILLER]


def test_an_earlier_sentence_outweighs_a_later_one_as_central() -> None:
    first, second = (
        "Brown otters swim beneath the bridge each night.",
        "Green herons stand beside the weir each morning.",
    )
    found = scores(f"{first} {second}")
    assert found[first] > found[second]


def test_a_sentence_of_the_title_outweighs_one_that_has_nothing_of_it() -> None:
    otters, herons = "Brown otters swim beneath the bridge at night.", "Green herons stand beside the weir all morning."
    text = f"{otters}\n\n{herons}"
    assert scores(text, title="Herons at the weir")[herons] > scores(text, title="Boats and trains")[herons]


@pytest.mark.parametrize(
    ("strong", "weak"),
    [
        ("The keeper opens the upper gate at dawn today.", "Will the keeper open the upper gate at dawn today?"),
        ("The keeper opens the upper gate at dawn today.", "“The keeper opens the upper gate at dawn today.”"),
        ("Keepers open the upper gate at dawn every day.", "However, they open the upper gate at dawn every day."),
        ("Keepers open the upper gate at dawn every day.", "Keepers open it."),
    ],
)
def test_questions_speech_leaning_and_short_sentences_are_held_back(strong: str, weak: str) -> None:
    lead = f"{FILLER} {FILLER}"
    assert scores(f"{lead} {strong}")[strong] > scores(f"{lead} {weak}")[weak]


def test_list_items_are_held_back() -> None:
    item = "Bring the boat into the chamber and make it fast."
    text = f"{FILLER}\n\n{item}"
    assert scores(text, markdown=f"{FILLER}\n\n- {item}")[item] < scores(text)[item]
