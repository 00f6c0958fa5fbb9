"""Scores the sentences of an article and picks those that say most without saying it twice."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

from stages.offline.lexrank import Vector, centrality, cosine, tf_idf
from stages.offline.outline import Outline, Sentence
from stages.offline.scripts import count_words, is_unspaced
from stages.offline.stopwords import LINKING_STARTS, LINKING_WORDS, stopwords_for
from stages.offline.tokens import terms

_CENTRALITY_WEIGHT = 0.3
_POSITION_WEIGHT = 0.5
_TITLE_WEIGHT = 0.2
_REDUNDANCY_WEIGHT = 0.3
_SAMPLE_SENTENCES = 2_000

_DIRECT_SPEECH = 0.75
_QUESTION = 0.7
_LISTED = 0.7
_LEANS_ON_ANOTHER = 0.85
_TOO_SHORT = 0.4
_TOO_LONG = 0.8
_SHORT_CHARS, _LONG_CHARS = 45, 330
_UNSPACED_SCALE = 0.4
"""A character of a script without spaces says about as much as 2.5 of an alphabet's."""

_FIRST_WORD = re.compile(r"[^\W\d_]+")
_SPEECH_MARKS = ("“", '"', "„", "«", "»", "「", "『", "‘", "— ", "– ")
_QUESTION_MARKS = ("?", "？", "؟")


@dataclass(frozen=True, slots=True)
class Ranked:
    """A sentence with what it is about and how much it says about the article."""

    sentence: Sentence
    vector: Vector
    score: float
    """From 0 to 1."""


def rank(outline: Outline, title: str | None, language: str | None) -> list[Ranked]:
    """Score every sentence, in the order of the text: by centrality, place and likeness to the title."""
    stopwords = stopwords_for(language)
    vectors = tf_idf([terms(sentence.text, stopwords) for sentence in outline.sentences])
    title_terms = frozenset(terms(title or "", stopwords))
    return [
        Ranked(sentence, vector, _score(sentence, central, _likeness(vector, title_terms)))
        for sentence, vector, central in zip(outline.sentences, vectors, centrality(vectors), strict=True)
    ]


def pick(
    ranked: Sequence[Ranked],
    count: int,
    *,
    avoiding: Sequence[Ranked] = (),
    max_words: float = inf,
    least_share: float = -inf,
) -> list[Ranked]:
    """The best `count` sentences in the order of the text; each pays for what it repeats of those before it.

    Maximal marginal relevance (J. Carbonell, J. Goldstein, 1998).

    - `avoiding`: sentences already told elsewhere.
    - `max_words`: beyond the first, a sentence with which all would have more words is passed over.
    - `least_share`: of the first one's worth that a third and further ones have to add; or else fewer are picked.
    """
    told = {item.sentence.index for item in avoiding}
    left = {item.sentence.index: item for item in ranked if item.sentence.index not in told}
    worth = {index: item.score - _REDUNDANCY_WEIGHT * _nearest(item, avoiding) for index, item in left.items()}
    floor = least_share * max(worth.values(), default=0.0)
    chosen: list[Ranked] = []
    room = max_words
    while left and len(chosen) < count:
        best = left.pop(max(left, key=worth.__getitem__))
        if len(chosen) > 1 and worth[best.sentence.index] < floor:
            break
        size = count_words(best.sentence.text)
        if chosen and size > room:
            continue
        chosen.append(best)
        room -= size
        for index, item in left.items():
            worth[index] = min(worth[index], item.score - _REDUNDANCY_WEIGHT * cosine(item.vector, best.vector))
    return sorted(chosen, key=lambda item: item.sentence.index)


def sample(ranked: Sequence[Ranked]) -> Sequence[Ranked]:
    """At most 2,000 sentences from across the text: enough to say what even a book is about."""
    return ranked[:: len(ranked) // _SAMPLE_SENTENCES + 1]


def _nearest(item: Ranked, others: Sequence[Ranked]) -> float:
    return max((cosine(item.vector, other.vector) for other in others), default=0.0)


def _likeness(vector: Vector, title_terms: frozenset[str]) -> float:
    return sum(term in vector for term in title_terms) / len(title_terms) if title_terms else 0.0


def _score(sentence: Sentence, central: float, title_likeness: float) -> float:
    worth = _CENTRALITY_WEIGHT * central + _POSITION_WEIGHT * _position(sentence) + _TITLE_WEIGHT * title_likeness
    return worth * _form(sentence.text) * (_LISTED if sentence.is_listed else 1.0)


def _position(sentence: Sentence) -> float:
    """Articles say what they are about at the start; 1 for the first sentence, falling."""
    return 1 / sqrt(1 + sentence.index)


def _form(text: str) -> float:
    """A factor that holds back sentences which stand badly on their own."""
    factor = 1.0
    if text.startswith(_SPEECH_MARKS):
        factor *= _DIRECT_SPEECH
    if text.rstrip("\"'”’»」』)）").endswith(_QUESTION_MARKS):
        factor *= _QUESTION
    if _leans(text):
        factor *= _LEANS_ON_ANOTHER
    return factor * _length_factor(text)


def _leans(text: str) -> bool:
    first = _FIRST_WORD.search(text)
    return text.startswith(LINKING_STARTS) or (first is not None and first.group().casefold() in LINKING_WORDS)


def _length_factor(text: str) -> float:
    scale = _UNSPACED_SCALE if is_unspaced(text) else 1.0
    if len(text) < _SHORT_CHARS * scale:
        return _TOO_SHORT
    return _TOO_LONG if len(text) > _LONG_CHARS * scale else 1.0
