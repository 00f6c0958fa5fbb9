import json
from typing import Any

import pytest

from stages.analyze import analyze
from stages.contract import Analysis, Article, Permanent, Transient
from stages.contract.nouns import Entity, Sentiment
from tests.support.llm import MODEL, USAGE, FakeLlm
from tests.support.passages import BY_LANGUAGE, PASSAGES, Passage, make_article
from tests.support.tools import make_tools

ARTICLE = BY_LANGUAGE["en"].article
ANSWER: dict[str, Any] = {
    "topics": ["barn owls", "", 3],
    "entities": [
        {"name": "Anna Reed", "kind": "person"},
        {"name": "Fenwick", "kind": "village"},
        {"name": "Napoleon", "kind": "person"},
        {"name": "owls", "kind": "other"},
        {"kind": "person"},
        "nonsense",
    ],
    "sentiment": {"label": "positive", "score": 0.4},
    "key_facts": ["The owls came back.", None],
    "reading_time_s": 99_999,
}


def ask(answer: object, article: Article = ARTICLE) -> Analysis:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return analyze.run(article, make_tools(llm=FakeLlm(text)))


def test_the_declaration() -> None:
    assert (analyze.name, analyze.pool, analyze.time_limit_s) == ("analyze", "io", 120)
    assert (analyze.accepts, analyze.returns) == ((Article,), Analysis)


@pytest.mark.parametrize("passage", PASSAGES, ids=lambda passage: passage.language)
def test_without_a_model_every_language_gets_topics_and_a_reading_time(passage: Passage) -> None:
    analysis = analyze.run(passage.article, make_tools())
    assert analysis.method == "extractive"
    assert analysis.topics
    assert 15 <= analysis.reading_time_s <= 60
    assert all(fact in passage.text for fact in analysis.key_facts)
    assert all(entity.name in passage.text for entity in analysis.entities)


def test_facts_are_sentences_with_figures_or_names() -> None:
    analysis = analyze.run(ARTICLE, make_tools())
    assert analysis.key_facts == (
        BY_LANGUAGE["en"].lead,
        "Dr. Anna Reed, who counts the owls of the county, found four eggs in the largest box on 3 May.",
    )


def test_entities_of_an_extract() -> None:
    analysis = analyze.run(ARTICLE, make_tools())
    assert Entity(name="Anna Reed", kind="person") in analysis.entities
    assert Entity(name="1987", kind="date") in analysis.entities


def test_a_language_without_a_word_list_has_no_tone() -> None:
    analysis = analyze.run(BY_LANGUAGE["ar"].article, make_tools())
    assert analysis.sentiment == Sentiment(label="unknown", score=None)


@pytest.mark.parametrize("text", ["Owls", "1 2 3", "。"])
def test_the_least_text_is_analysed_too(text: str) -> None:
    assert analyze.run(make_article(text, language=None), make_tools()).reading_time_s == 1


def test_an_answer_is_validated_into_the_noun() -> None:
    analysis = ask(ANSWER)
    assert analysis.topics == ("barn owls",)
    assert analysis.sentiment == Sentiment(label="positive", score=0.4)
    assert analysis.key_facts == ("The owls came back.",)
    assert (analysis.method, analysis.model, analysis.usage, analysis.parts) == ("llm", MODEL, USAGE, 1)


def test_entities_are_counted_in_the_text_and_dropped_where_it_has_none() -> None:
    assert ask(ANSWER).entities == (
        Entity(name="Anna Reed", kind="person", mentions=1),
        Entity(name="Fenwick", kind="other", mentions=1),
        Entity(name="owls", kind="other", mentions=4),
    )


def test_the_reading_time_is_computed_and_not_asked() -> None:
    assert ask(ANSWER).reading_time_s == analyze.run(ARTICLE, make_tools()).reading_time_s


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"label": "negative", "score": -0.5}, Sentiment(label="negative", score=-0.5)),
        ({"label": "negative", "score": "high"}, Sentiment(label="negative")),
        ({"label": "positive", "score": 7}, Sentiment(label="positive")),
        ({"label": "unknown", "score": 0.1}, Sentiment(label="unknown")),
        ({"label": ["positive"]}, Sentiment(label="unknown")),
        ("positive", Sentiment(label="unknown")),
        (None, Sentiment(label="unknown")),
    ],
)
def test_a_tone_that_makes_no_sense_is_unknown(found: object, expected: Sentiment) -> None:
    assert ask(ANSWER | {"sentiment": found}).sentiment == expected


@pytest.mark.parametrize(
    "answer", ["garbage", "{}", {"topics": []}, {"topics": "owls"}, {"topics": [1]}, '["topics"]', '{"topics": ["cut']
)
def test_an_unusable_answer_may_be_asked_for_again(answer: object) -> None:
    with pytest.raises(Transient) as caught:
        ask(answer)
    assert caught.value.code == "llm_bad_answer"


def test_a_refusal_fails_for_good() -> None:
    with pytest.raises(Permanent) as caught:
        ask("I cannot help with this content.")
    assert caught.value.code == "llm_refused"


def test_lists_of_the_wrong_shape_are_left_out() -> None:
    analysis = ask({"topics": ["owls"], "entities": {"name": "Fenwick"}, "key_facts": "none"})
    assert (analysis.entities, analysis.key_facts) == ((), ())
