"""Says what an article is about: topics, entities, tone, facts, and how long it takes to read."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from stages.contract import Analysis, Article, FanOut, Llm, Passage, Tools, Transient, stage
from stages.contract.nouns import Entity, Sentiment
from stages.language_model.answers import clean_strings, read_object
from stages.language_model.asking import ask
from stages.language_model.cleaning import Cleaner, links_of
from stages.language_model.fallback import or_without
from stages.language_model.long_documents import split_article, sum_usage
from stages.language_model.prompts import ANALYSIS
from stages.offline.analysis import analyze_offline
from stages.offline.entities import count_mentions
from stages.offline.reading_time import reading_time_s

_KINDS = get_args(Entity.model_fields["kind"].annotation)
_LABELS = get_args(Sentiment.model_fields["label"].annotation)
_MOST_TOPICS = 12
_MOST_FACTS = 12
_MOST_ENTITIES = 60


def _analyze_passage(passage: Passage, tools: Tools) -> Analysis:
    text = passage.text
    article = Article(text=text, markdown=text, title=passage.title, language=passage.language, word_count=0)
    return or_without(
        tools, lambda llm, in_time: _ask(article, llm, in_time), lambda reason: _of_passage_offline(article, reason)
    )


def _of_passage_offline(article: Article, reason: str | None) -> Analysis:
    if reason is None:
        raise Transient("llm_unavailable")
    return _offline(article, reason)


def _offline(article: Article, reason: str | None) -> Analysis:
    return analyze_offline(article).model_copy(update={"fallback_reason": reason})


def _put_together(article: Article, results: Sequence[Analysis], _tools: Tools) -> Analysis:
    """What was found in the parts of a long article, without asking again."""
    usage = sum_usage(analysis.usage for analysis in results)
    reason = next((analysis.fallback_reason for analysis in results if analysis.fallback_reason), None)
    if reason is not None:
        return _offline(article, reason).model_copy(update={"usage": usage})
    kinds = {entity.name: entity.kind for analysis in reversed(results) for entity in analysis.entities}
    return Analysis(
        topics=_weightiest(analysis.topics for analysis in results)[:_MOST_TOPICS],
        entities=_counted(kinds, article)[:_MOST_ENTITIES],
        sentiment=_overall([analysis.sentiment for analysis in results]),
        key_facts=_in_turn([analysis.key_facts for analysis in results], _MOST_FACTS),
        reading_time_s=reading_time_s(article.text),
        method="llm",
        model=results[-1].model,
        usage=usage,
        parts=len(results),
    )


def _weightiest(lists: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Topics of all parts: those of most parts first, and among these the ones that stood further ahead."""
    weights: Counter[str] = Counter()
    written: dict[str, str] = {}
    for topics in lists:
        for place, topic in enumerate(topics):
            weights[topic.casefold()] += 1 + 1 / (place + 2)  # type: ignore[assignment]
            written.setdefault(topic.casefold(), topic)
    return tuple(written[folded] for folded, _ in weights.most_common())


def _in_turn(lists: Sequence[Sequence[str]], most: int) -> tuple[str, ...]:
    """Some of each part, in the order of the article; those that stood ahead go before."""
    turns = sorted((place, part) for part, facts in enumerate(lists) for place in range(len(facts)))
    return tuple(lists[part][place] for part, place in sorted((part, place) for place, part in turns[:most]))


def _overall(found: Sequence[Sentiment]) -> Sentiment:
    """The label of most parts, and the mean of the scores of those that have it."""
    known = [sentiment for sentiment in found if sentiment.label != "unknown"]
    if not known:
        return Sentiment(label="unknown")
    label = Counter(sentiment.label for sentiment in known).most_common(1)[0][0]
    scores = [sentiment.score for sentiment in known if sentiment.label == label and sentiment.score is not None]
    return Sentiment(label=label, score=round(sum(scores) / len(scores), 2) if scores else None)


@stage(
    "analyze",
    pool="io",
    time_limit_s=120.0,
    fan_out=FanOut(split=split_article, map=_analyze_passage, reduce=_put_together),
)
def analyze(article: Article, tools: Tools) -> Analysis:
    """Ask the language model, or analyse by statistics and rules where none is configured.

    While the model is out of reach the job waits, goes without or fails, as its option `fallback` says.

    Raises `Permanent` with `llm_refused` or `Transient` with `llm_bad_answer` for an answer that is no analysis, and
    what the call to the model raises.
    """
    return or_without(tools, lambda llm, in_time: _ask(article, llm, in_time), lambda reason: _offline(article, reason))


def _ask(article: Article, llm: Llm, tools: Tools) -> Analysis:
    reply = ask(ANALYSIS, article, llm, tools)
    cleaner = Cleaner(links_of(article), reply.question.instructions, reply.question.secrets)
    answer = cleaner.clean_values(read_object(reply.completion.text))
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
    )


def _entities(found: object, article: Article) -> tuple[Entity, ...]:
    """Each name once, with its mentions counted in the article; what the article does not name is dropped."""
    items = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    kinds: dict[str, Any] = {}
    for item in items[:_MOST_ENTITIES]:
        for name in clean_strings([item.get("name")]):
            kinds.setdefault(name, item.get("kind") if item.get("kind") in _KINDS else "other")
    return _counted(kinds, article)


def _counted(kinds: Mapping[str, Any], article: Article) -> tuple[Entity, ...]:
    counts = count_mentions(kinds, f"{article.title or ''}\n{article.text}")
    return tuple(Entity(name=name, kind=kinds[name], mentions=count) for name, count in counts.items() if count)


def _sentiment(found: object) -> Sentiment:
    """The label counts; a score that is no number is left out. Anything else is `unknown`."""
    if not isinstance(found, dict) or found.get("label") not in _LABELS:
        return Sentiment(label="unknown")
    score = found.get("score")
    valid = isinstance(score, int | float) and -1 <= score <= 1 and found["label"] != "unknown"
    return Sentiment(label=found["label"], score=score if valid else None)
