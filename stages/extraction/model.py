"""How likely each passage is main content: an ensemble of small decision trees over its features.

The trees were trained on pages with reviewed main content; see docs/explanation/extraction.md for which, and
tests/benchmarks/extraction/train.py for how.
"""

import json
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from stages.extraction.features import names

CHOICES = ("readability", "resiliparse")
"""The extractors whose choices are features."""
DEPTH = 3
"""Questions on the way to a leaf. All trees are complete: a leaf higher up is repeated."""
_ROWS = 2000
"""Judged at once, which bounds memory."""


class Model:
    """Trees as arrays, breadth first: of each inner node the feature and the bound, of each leaf the value."""

    def __init__(self, features: list[list[int]], bounds: list[list[float]], leaves: list[list[float]]) -> None:
        self._features = np.array(features, dtype=np.intp)
        self._bounds = np.array(bounds, dtype=np.float64)
        self._leaves = np.array(leaves, dtype=np.float64)

    def probabilities(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """For each row of features the probability, 0 to 1."""
        parts = [self._scores(rows[start : start + _ROWS]) for start in range(0, len(rows), _ROWS)]
        return 1 / (1 + np.exp(-np.concatenate(parts))) if parts else np.zeros(0)

    def _scores(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        scores: NDArray[np.float64] = self._values(np.ascontiguousarray(rows.T)).sum(axis=0)
        return scores

    def _values(self, columns: NDArray[np.float64], node: int = 0) -> NDArray[np.float64]:
        """What all trees say of each row, from this node on."""
        inner = 2**DEPTH - 1
        if node >= inner:
            return self._leaves[:, node - inner, None]
        is_above = columns.take(self._features[:, node], axis=0) > self._bounds[:, node, None]
        return np.where(is_above, self._values(columns, 2 * node + 2), self._values(columns, 2 * node + 1))


@cache
def trained_model() -> Model:
    """The model that comes with Penstock. Raises `ValueError` when it was trained on other features."""
    stored = json.loads(files("stages.extraction").joinpath("model.json").read_text("utf-8"))
    if stored["names"] != list(names(CHOICES)):
        raise ValueError("model.json was trained on other features; train it anew")
    return Model(stored["features"], stored["bounds"], stored["leaves"])


def best_choice(probabilities: NDArray[np.float64], lengths: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which passages to keep, so that the F1 to be expected of their words is highest.

    Where `p` is the probability of a passage and `n` its length in words, keeping the most probable ones promises
    `2 Σ(kept) p n / (Σ(kept) n + Σ(all) p n)`.

    >>> best_choice(np.array([0.9, 0.1, 0.6]), np.array([100.0, 100.0, 20.0]))
    array([ True, False,  True])
    """
    order = np.argsort(-probabilities, kind="stable")
    expected = probabilities * lengths
    f1 = 2 * np.cumsum(expected[order]) / (np.cumsum(lengths[order]) + expected.sum())
    kept = np.zeros(len(order), dtype=np.bool_)
    kept[order[: f1.argmax() + 1]] = True
    return kept
