"""Sentences that state something one can check: with numbers, dates or names."""

from collections.abc import Sequence
from dataclasses import replace

from stages.offline.figures import dates, quantities
from stages.offline.ranking import Ranked, pick

_FIGURE_BONUS = 0.35
_NAME_BONUS = 0.15
_MOST_COUNTED = 3


def key_facts(ranked: Sequence[Ranked], names: Sequence[str], limit: int) -> tuple[str, ...]:
    """The best sentences with figures or names in the order of the text; none where no sentence has any."""
    weighted = [(item, _evidence(item.sentence.text, names)) for item in ranked]
    factual = [replace(item, score=item.score * (1 + evidence)) for item, evidence in weighted if evidence]
    return tuple(item.sentence.text for item in pick(factual, limit))


def _evidence(text: str, names: Sequence[str]) -> float:
    figures = len(dates(text)) + len(quantities(text))
    named = sum(name in text for name in names)
    return _FIGURE_BONUS * min(figures, _MOST_COUNTED) + _NAME_BONUS * min(named, _MOST_COUNTED)
