"""How far token estimates are off, learned from what the server reports."""

from math import ceil

from stages.language_model.tokens import estimate_tokens

LEAST, MOST = 0.75, 2.0
"""Bounds of the correction: a text may be of another kind than those before it, and a server may count oddly."""
STEP = 0.25
"""Corrections are rounded up to this, so that the same document is cut at the same places by all workers."""
WEIGHT = 0.1
"""Of the latest answer in the running ratio."""


class TokenGauge:
    """One for a worker process: a running ratio of reported to estimated tokens for each model."""

    def __init__(self) -> None:
        self._ratios: dict[str, float] = {}

    def note(self, model: str, estimated: int, reported: int) -> None:
        """Learn from one call; threads may be a call apart, which does no harm."""
        if estimated > 0 and reported > 0:
            latest = min(max(reported / estimated, LEAST), MOST)
            self._ratios[model] = self._ratios.get(model, 1.0) * (1 - WEIGHT) + latest * WEIGHT

    def count(self, model: str, text: str) -> int:
        """About how many tokens a text is for this model."""
        return ceil(estimate_tokens(text) * self.correction(model))

    def correction(self, model: str) -> float:
        """What estimates are multiplied by.

        >>> gauge = TokenGauge()
        >>> gauge.correction("m")
        1.0
        >>> for _ in range(30):
        ...     gauge.note("m", estimated=100, reported=160)
        >>> gauge.correction("m")
        1.75
        """
        return ceil(self._ratios.get(model, 1.0) / STEP - 0.01) * STEP
