"""Says what an article is about: topics, entities, tone, facts, and how long it takes to read."""

from typing import Any, get_args

from stages.contract import Analysis, Article, Llm, Tools, Transient, stage
from stages.contract.nouns import Entity, Sentiment
from stages.language_model.answers import clean_strings, read_object
from stages.language_model.asking import ask, guard_endpoint
from stages.language_model.prompts import ANALYSIS
from stages.offline.analysis import analyze_offline
from stages.offline.entities import count_mentions
from stages.offline.reading_time import reading_time_s

_KINDS = get_args(Entity.model_fields["kind"].annotation)
_LABELS = get_args(Sentiment.model_fields["label"].annotation)
_MOST_TOPICS = 12
_MOST_FACTS = 12
_MOST_ENTITIES = 60


@stage("analyze", pool="io", time_limit_s=120.0, guard=guard_endpoint)
def analyze(article: Article, tools: Tools) -> Analysis:
    """Ask the language model, or analyse by statistics and rules where none is configured.

    Raises `Permanent` with `llm_refused` or `Transient` with `llm_bad_answer` for an answer that is no analysis, and
    what the call to the model raises.
    """
    return analyze_offline(article) if tools.llm is None else _ask(article, tools.llm, tools)


def _ask(article: Article, llm: Llm, tools: Tools) -> Analysis:
    reply = ask(ANALYSIS, article, llm, tools)
    answer = read_object(reply.completion.text)
    topics = clean_strings(answer.get("topics"))
    if not topics:
        raise Transient("llm_bad_answer")
    return Analysis(
        topics=tuple(topics[:_MOST_TOPICS]),
        entities=_entities(answer.get("entities"), article),
        sentiment=_sentiment(answer.get("sentiment")),
        key_facts=tuple(clean_strings(answer.get("key_facts"))[:_MOST_FACTS]),
        reading_time_s=reading_time_s(article.text),
        method="llm",
        model=reply.completion.model,
        usage=reply.completion.usage,
        condensed=reply.condensed,
    )


def _entities(found: object, article: Article) -> tuple[Entity, ...]:
    """Each name once, with its mentions counted in the article; what the article does not name is dropped."""
    items = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    kinds: dict[str, Any] = {}
    for item in items[:_MOST_ENTITIES]:
        for name in clean_strings([item.get("name")]):
            kinds.setdefault(name, item.get("kind") if item.get("kind") in _KINDS else "other")
    counts = count_mentions(kinds, f"{article.title or ''}\n{article.text}")
    return tuple(Entity(name=name, kind=kinds[name], mentions=count) for name, count in counts.items() if count)


def _sentiment(found: object) -> Sentiment:
    """The label counts; a score that is no number is left out. Anything else is `unknown`."""
    if not isinstance(found, dict) or found.get("label") not in _LABELS:
        return Sentiment(label="unknown")
    score = found.get("score")
    valid = isinstance(score, int | float) and -1 <= score <= 1 and found["label"] != "unknown"
    return Sentiment(label=found["label"], score=score if valid else None)
