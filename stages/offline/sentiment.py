"""The tone of a text, from lists of words; a word counts the other way round near a negation."""

import re
from collections.abc import Iterator, Sequence

from stages.contract.nouns import Sentiment
from stages.offline.sentiment_words import LEXICONS, Lexicon
from stages.offline.tokens import words

_NEGATION_REACH_WORDS = 3
_NEGATION_REACH_CHARS = 3
_NEGATION_AFTER_CHARS = 6
_NEUTRAL_WEIGHT = 0.5
"""A sentence without tone counts half."""
_NEUTRAL_START = 1.0
"""Every text starts with this much of neither side, so that one word does not decide."""
_DECIDED = 0.2
_FEWEST_PREFIX_CHARS = 2
_UNKNOWN = Sentiment(label="unknown")


def judge(sentences: Sequence[str], language: str | None) -> Sentiment:
    """Label and score; `unknown` without a score for a language that has no word list.

    >>> judge(["The new lock is a great success.", "Everyone is happy and proud."], "en").label
    'positive'
    >>> judge(["Het is mooi."], "nl")
    Sentiment(label='unknown', score=None)
    """
    lexicon = LEXICONS.get(language or "")
    if lexicon is None:
        return _UNKNOWN
    votes = _votes_in_parts if language in ("zh", "ja") else _votes_by_word
    tones = [_tone(list(votes(sentence, lexicon))) for sentence in sentences]
    neutral = sum(tone == 0 for tone in tones)
    score = sum(tones) / (len(tones) - neutral + _NEUTRAL_WEIGHT * neutral + _NEUTRAL_START)
    label = "positive" if score >= _DECIDED else "negative" if score <= -_DECIDED else "neutral"
    return Sentiment.model_validate({"label": label, "score": round(score, 2)})


def _tone(votes: Sequence[int]) -> int:
    """A sentence speaks once, however many of its words do."""
    return (sum(votes) > 0) - (sum(votes) < 0)


def _votes_by_word(sentence: str, lexicon: Lexicon) -> Iterator[int]:
    folded = [word.casefold().replace("’", "'") for word in words(sentence)]
    for at, word in enumerate(folded):
        vote = _is_listed(word, lexicon.positive) - _is_listed(word, lexicon.negative)
        if vote:
            before = folded[max(0, at - _NEGATION_REACH_WORDS) : at]
            yield -vote if lexicon.negations.intersection(before) else vote


def _is_listed(word: str, listed: frozenset[str]) -> bool:
    prefixes = (f"{word[:size]}*" for size in range(_FEWEST_PREFIX_CHARS, len(word) + 1))
    return word in listed or any(prefix in listed for prefix in prefixes)


def _votes_in_parts(sentence: str, lexicon: Lexicon) -> Iterator[int]:
    for listed, vote in ((lexicon.positive, 1), (lexicon.negative, -1)):
        for found in re.finditer("|".join(sorted(listed)), sentence):
            before = sentence[max(0, found.start() - _NEGATION_REACH_CHARS) : found.start()]
            after = sentence[found.end() : found.end() + _NEGATION_AFTER_CHARS]
            nearby = after if lexicon.negates_after else before
            yield -vote if any(negation in nearby for negation in lexicon.negations) else vote
