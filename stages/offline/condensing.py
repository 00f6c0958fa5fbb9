"""Shortens a text to what a language model can read at once, from across the whole of it."""

from collections.abc import Sequence

from stages.contract import Article
from stages.offline.outline import read_outline
from stages.offline.ranking import Ranked, rank

_STRETCHES = 24
_PARAGRAPH_GAP = "\n\n"
_SENTENCE_GAP = " "


def condense(article: Article, max_chars: int) -> str:
    """The most central passages of an article in their order, together at most `max_chars` characters.

    The article is cut into stretches of equal length, and each stretch in turn gives its best sentence that still
    fits, so that the end of a long text is read as well as its beginning. Sentences that were neighbours stay together;
    a gap is a new paragraph.
    """
    ranked = rank(read_outline(article), article.title, article.language)
    chosen = _choose(_turns(ranked), max_chars)
    return _compose(sorted(chosen, key=lambda item: item.sentence.index)) or article.text[:max_chars]


def _turns(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Every stretch's best sentence, then every stretch's second best, and so on."""
    size = -(-len(ranked) // _STRETCHES) or 1
    stretches = [ranked[start : start + size] for start in range(0, len(ranked), size)]
    ordered = [sorted(stretch, key=lambda item: -item.score) for stretch in stretches]
    rounds = [[stretch[turn] for stretch in ordered if turn < len(stretch)] for turn in range(size)]
    return [item for turn in rounds for item in sorted(turn, key=lambda item: -item.score)]


def _choose(candidates: Sequence[Ranked], max_chars: int) -> list[Ranked]:
    chosen: list[Ranked] = []
    left = max_chars + len(_PARAGRAPH_GAP)
    for item in candidates:
        cost = len(item.sentence.text) + len(_PARAGRAPH_GAP)
        if cost <= left:
            chosen.append(item)
            left -= cost
    return chosen


def _compose(chosen: Sequence[Ranked]) -> str:
    text, previous = "", None
    for item in chosen:
        follows = previous is not None and item.sentence.index == previous + 1 and not item.sentence.opens_paragraph
        gap = _SENTENCE_GAP if follows else _PARAGRAPH_GAP
        text = f"{text}{gap if text else ''}{item.sentence.text}"
        previous = item.sentence.index
    return text
