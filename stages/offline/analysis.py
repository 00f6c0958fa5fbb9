"""The analysis of an article by statistics and rules."""

from stages.contract import Analysis, Article
from stages.offline.entities import find_entities
from stages.offline.facts import key_facts
from stages.offline.keywords import key_phrases
from stages.offline.outline import read_outline
from stages.offline.ranking import rank, sample
from stages.offline.reading_time import reading_time_s
from stages.offline.sentiment import judge

_TOPICS = 8
_FACTS = 6


def analyze_offline(article: Article) -> Analysis:
    """Topics, entities, tone and key facts; each is empty, or `unknown`, where the text gives nothing."""
    ranked = sample(rank(read_outline(article), article.title, article.language))
    sentences = [item.sentence.text for item in ranked]
    entities = find_entities(sentences, article.language)
    names = [entity.name for entity in entities if entity.kind not in ("date", "number")]
    return Analysis(
        topics=tuple(key_phrases(sentences, article.title, article.language, _TOPICS)),
        entities=tuple(entities),
        sentiment=judge(sentences, article.language),
        key_facts=key_facts(ranked, names, _FACTS),
        reading_time_s=reading_time_s(article.text),
        method="extractive",
    )
