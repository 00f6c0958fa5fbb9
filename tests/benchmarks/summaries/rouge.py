"""ROUGE F1 over words in lower case, without stemming; in scripts without spaces, over characters.

C.-Y. Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004.
"""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from stages.offline.scripts import UNSPACED

_TOKEN = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+")


def rouge(summary: str, reference: str) -> dict[str, float]:
    """Overlap in words, in pairs of words, and in the longest common subsequence.

    >>> rouge("The locks lift boats.", "Locks lift the boats.")
    {'rouge_1': 1.0, 'rouge_2': 0.3333333333333333, 'rouge_l': 0.75}
    """
    ours, theirs = tokens(summary), tokens(reference)
    return {
        "rouge_1": _f1(_shared(ours, theirs), len(ours), len(theirs)),
        "rouge_2": _f1(_shared(list(pairwise(ours)), list(pairwise(theirs))), len(ours) - 1, len(theirs) - 1),
        "rouge_l": _f1(_longest_common(ours, theirs), len(ours), len(theirs)),
    }


def tokens(text: str) -> list[str]:
    """
    >>> tokens("3 Schleusen, 水門")
    ['3', 'schleusen', '水', '門']
    """
    return _TOKEN.findall(text.lower())


def _f1(shared: int, ours: int, theirs: int) -> float:
    return 2 * shared / (ours + theirs) if shared else 0.0


def _shared(ours: Sequence[Any], theirs: Sequence[Any]) -> int:
    return (Counter(ours) & Counter(theirs)).total()


def _longest_common(ours: Sequence[str], theirs: Sequence[str]) -> int:
    row = [0] * (len(theirs) + 1)
    for token in ours:
        above = 0
        for at, other in enumerate(theirs, start=1):
            above, row[at] = row[at], above + 1 if token == other else max(row[at], row[at - 1])
    return row[-1]
