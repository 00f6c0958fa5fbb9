"""Which passages of a page its known main content holds."""

from collections.abc import Iterator
from difflib import SequenceMatcher

from stages.extraction.passages import WORD, Passage

RUN = 4
SHORT = 6
"""Passages of fewer words count only where they stand in order; longer ones also where they were moved."""
STRAY = 0.3
"""At most this much of a longer passage is there when no run of it is."""


def shares(passages: list[Passage], truth: str) -> Iterator[float]:
    """For each passage, how much of it is in the truth, from 0 to 1."""
    wanted = WORD.findall(truth.lower())
    runs = {tuple(wanted[start : start + RUN]) for start in range(len(wanted) - RUN + 1)}
    words = [word for passage in passages for word in passage.words]
    aligned = bytearray(len(words))
    for block in SequenceMatcher(None, words, wanted, autojunk=len(words) > 20_000).get_matching_blocks():
        aligned[block.a : block.a + block.size] = b"\1" * block.size
    start = 0
    for passage in passages:
        size = len(passage.words)
        in_order = sum(aligned[start : start + size]) / size
        yield in_order if size < SHORT else _anywhere(passage.words, in_order, runs)
        start += size


def _anywhere(words: list[str], in_order: float, runs: set[tuple[str, ...]]) -> float:
    covered = bytearray(len(words))
    for start in range(len(words) - RUN + 1):
        if tuple(words[start : start + RUN]) in runs:
            covered[start : start + RUN] = b"\1" * RUN
    return max(sum(covered) / len(words), in_order if any(covered) else min(in_order, STRAY))
