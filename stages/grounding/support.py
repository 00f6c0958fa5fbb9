"""Which passages of an article say what a sentence about it says."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from math import log

from stages.contract import Article
from stages.contract.nouns import Span
from stages.grounding.passages import Passages
from stages.offline.stopwords import stopwords_for
from stages.offline.tokens import terms

_MOST_PASSAGES = 3
_LEAST_SHARE = 0.45
"""Of the weight of a sentence's terms that its passages have to hold. People and models paraphrase the rest."""
_LEAST_SHARE_ALONE = 0.3
_LEAST_SHARE_QUOTED = 0.2
"""The same where the sentence comes with a quotation that stands in the text."""
_MOST_WEIGHT = 3.0
_WORTHWHILE_SHARE = 0.12
"""What one more passage has to add."""


class Support:
    """Finds the passages behind a sentence: those it quotes, and those that share its words."""

    def __init__(self, article: Article, passages: Passages) -> None:
        self._passages = passages
        self._stopwords = stopwords_for(article.language)
        read = [terms(sentence, self._stopwords) for sentence in passages.sentences]
        self._terms = [frozenset(own) for own in read]
        self._pairs = [frozenset(pairwise(own)) for own in read]
        self._holders = Counter(term for own in self._terms for term in own)

    def behind(self, sentence: str, quotes: Sequence[str] = (), *, translated: bool = False) -> tuple[Span, ...]:
        """Where the article says it; empty where it does not.

        `translated`: the sentence is in another language than the article, so that only its quotations can tell.
        """
        quoted = [index for quote in quotes for index in self._passages.quoted(quote)]
        if translated and not quoted:
            # Where the model read notes of the article, it quotes these.
            return tuple(span for quote in quotes for span in self.behind(quote))
        if translated:
            return self._passages.spans_of(quoted)
        told = terms(sentence, self._stopwords)
        wanted = frozenset(told)
        chosen = self._choose(wanted, frozenset(pairwise(told)), quoted)
        return self._passages.spans_of(chosen) if self._is_enough(wanted, chosen, quoted) else ()

    def _is_enough(self, wanted: frozenset[str], chosen: Sequence[int], quoted: Sequence[int]) -> bool:
        """Whether the passages hold enough together, and the first of them alone: some common words stand anywhere."""
        whole = self._weight(wanted)
        together = self._weight(wanted & frozenset[str]().union(*(self._terms[index] for index in chosen)))
        if quoted or not chosen:
            return bool(chosen) and together >= whole * _LEAST_SHARE_QUOTED
        alone = self._weight(wanted & self._terms[chosen[0]])
        return together >= whole * _LEAST_SHARE and alone >= whole * _LEAST_SHARE_ALONE

    def _choose(self, wanted: frozenset[str], pairs: frozenset[tuple[str, str]], quoted: Sequence[int]) -> list[int]:
        """What is quoted, and then the sentences that hold most of what is still wanted, in its order."""
        chosen = list(dict.fromkeys(quoted))
        missing = wanted.difference(*(self._terms[index] for index in chosen))
        least = self._weight(wanted) * _WORTHWHILE_SHARE
        while missing and len(chosen) < _MOST_PASSAGES:
            weight, _, place = max(
                (
                    (self._weight(missing & own), len(pairs & self._pairs[index]), -index)
                    for index, own in enumerate(self._terms)
                ),
                default=(0.0, 0, 0),
            )
            if weight <= least:
                break
            chosen.append(-place)
            missing -= self._terms[-place]
        return chosen

    def _weight(self, wanted: frozenset[str]) -> float:
        """Rare terms tell passages apart; one that a long article has nowhere may just be another word."""
        sentences = len(self._terms) + 1
        return sum(min(log(1 + sentences / (self._holders[term] + 1)), _MOST_WEIGHT) for term in wanted)
