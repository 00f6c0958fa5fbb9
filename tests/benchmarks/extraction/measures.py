"""How alike two texts are: overlap of words, whatever their order, and of runs of four words."""

import re
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from itertools import islice

SHINGLE = 4


@dataclass(frozen=True, slots=True)
class Overlap:
    """Each between 0 and 1."""

    precision: float
    recall: float
    f1: float


def word_overlap(found: str, truth: str) -> Overlap:
    """Of the words as multisets, in lower case; a word is a run of letters, digits and underscores.

    >>> word_overlap("The lock, the gate", "the lock")
    Overlap(precision=0.5, recall=1.0, f1=0.6666666666666666)
    """
    return _overlap(_words(found), _words(truth))


def shingle_f1(found: str, truth: str) -> float:
    """F1 of the runs of four words, as multisets; a text of fewer words is one run.

    >>> shingle_f1("a b c d e", "a b c d x")
    0.5
    """
    return _overlap(_shingles(found), _shingles(truth)).f1


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _shingles(text: str) -> list[tuple[str, ...]]:
    words = _words(text)
    if len(words) < SHINGLE:
        return [tuple(words)] if words else []
    return list(zip(*(islice(words, start, None) for start in range(SHINGLE)), strict=False))


def _overlap(found: Iterable[Hashable], truth: Iterable[Hashable]) -> Overlap:
    left, right = Counter(found), Counter(truth)
    if not left or not right:
        same = float(left == right)
        return Overlap(same, same, same)
    shared = (left & right).total()
    precision, recall = shared / left.total(), shared / right.total()
    return Overlap(precision, recall, 2 * precision * recall / (precision + recall) if shared else 0.0)
