"""LexRank: a sentence is central when it resembles many sentences that are central themselves.

G. Erkan, D. Radev, "LexRank: Graph-based Lexical Centrality as Salience in Text Summarization", 2004; the continuous
variant. The graph's matrix is never built: cosine similarities of unit vectors are products through their terms, so a
round takes time linear in the number of words, and no cap on the number of sentences is needed.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import log, sqrt

Vector = dict[str, float]
"""Term weights, scaled to length one; empty for a sentence without terms."""

_DAMPING = 0.85
_TOLERANCE = 1e-3
_MAX_ROUNDS = 12
_UNCONNECTED = 1e-9


def tf_idf(sentences: Sequence[Sequence[str]]) -> list[Vector]:
    """One vector a sentence, from its terms; terms are rare or common within this text.

    >>> [round(weight, 2) for weight in tf_idf([["lock", "gate"], ["lock"]])[0].values()]
    [0.53, 0.85]
    """
    frequency = Counter(term for sentence in sentences for term in set(sentence))
    idf = {term: log(1 + len(sentences) / count) for term, count in frequency.items()}
    return [_unit({term: count * idf[term] for term, count in Counter(sentence).items()}) for sentence in sentences]


def _unit(weights: Vector) -> Vector:
    length = sqrt(sum(weight * weight for weight in weights.values()))
    return {term: weight / length for term, weight in weights.items()}


def cosine(one: Vector, other: Vector) -> float:
    """How alike two sentences are, from 0 to 1."""
    shorter, longer = (one, other) if len(one) < len(other) else (other, one)
    return sum(weight * longer[term] for term, weight in shorter.items() if term in longer)


def centrality(vectors: Sequence[Vector]) -> list[float]:
    """The stationary distribution of a random walk over similar sentences, scaled so that the most central has 1.

    >>> vectors = tf_idf([["lock", "gate"], ["lock", "water"], ["lock", "gate", "keeper"], ["sheep"]])
    >>> [round(score, 2) for score in centrality(vectors)]
    [1.0, 0.55, 0.9, 0.12]
    """
    if not vectors:
        return []
    count = len(vectors)
    degrees = _spread(vectors, [1.0] * count)
    scores = [1.0 / count] * count
    for _ in range(_MAX_ROUNDS):
        sent = [score / degree if degree > _UNCONNECTED else 0.0 for score, degree in zip(scores, degrees, strict=True)]
        latest = [(1 - _DAMPING) / count + _DAMPING * received for received in _spread(vectors, sent)]
        moved = sum(abs(new - old) for new, old in zip(latest, scores, strict=True))
        scores = latest
        if moved < _TOLERANCE:
            break
    highest = max(scores)
    return [score / highest for score in scores]


def _spread(vectors: Sequence[Vector], amounts: Sequence[float]) -> list[float]:
    """The similarity matrix times a vector, by way of the terms; no sentence counts as similar to itself."""
    by_term: defaultdict[str, float] = defaultdict(float)
    for vector, amount in zip(vectors, amounts, strict=True):
        for term, weight in vector.items():
            by_term[term] += weight * amount
    return [
        sum(weight * (by_term[term] - weight * amount) for term, weight in vector.items())
        for vector, amount in zip(vectors, amounts, strict=True)
    ]
