"""A text that people watch while it is written: told in pieces, of which any may get lost. Nothing depends on them.

A piece says where it belongs: `shown[:offset] + text` is the text from then on. So a piece that corrects what was shown
needs no words of its own, and another attempt replaces what the one before has shown by beginning at 0.
"""

import json
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol, Self

from pipeline.ids import Hold
from stages.contract import Clock

NAME = "summary.delta"
EVERY_S = 0.25
"""Pieces of one text are told no faster; its end is told at once."""
MAX_SHOWN_CHARS = 16_000
"""Of a text that is longer, only so much is shown while it is written."""
MAX_PIECE_CHARS = 4_000


@dataclass(frozen=True, slots=True)
class Writing:
    """Which attempt writes."""

    tenant_id: str
    job_id: str
    run: int
    stage: str
    attempt: int
    """Numbers all attempts of a stage, as in its events."""

    @classmethod
    def of(cls, tenant_id: str, hold: Hold) -> Self:
        return cls(tenant_id, hold.key.job_id, hold.key.run, hold.key.stage, hold.epoch)


@dataclass(frozen=True, slots=True)
class Delta:
    """One piece."""

    writing: Writing
    offset: int
    """In characters, as Unicode counts them."""
    text: str

    def as_json(self) -> str:
        """As it is sent to subscribers of the tenant, on one line."""
        writing = self.writing
        said = {
            "event": NAME,
            "job_id": writing.job_id,
            "run": writing.run,
            "stage": writing.stage,
            "attempt": writing.attempt,
            "offset": self.offset,
            "text": self.text,
        }
        return json.dumps(said, separators=(",", ":"))


class Deltas(Protocol):
    """Where pieces are told."""

    def tell(self, *deltas: Delta) -> bool:
        """Tell these pieces in order; returns whether they were heard. Never raises."""


@dataclass(slots=True)
class ShownText:
    """Implements `Progress` for one attempt."""

    writing: Writing
    deltas: Deltas
    clock: Clock
    _shown: str = ""
    _due_at_s: float = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is time to show more."""
        return self.clock.monotonic() >= self._due_at_s

    def show(self, text: str) -> None:
        """Tell what is new; what was not heard is told with what comes next."""
        self._due_at_s = self.clock.monotonic() + EVERY_S
        text = text[:MAX_SHOWN_CHARS]
        if text != self._shown and self.deltas.tell(*pieces(self.writing, self._shown, text)):
            self._shown = text


def pieces(writing: Writing, before: str, now: str) -> list[Delta]:
    """What makes of one text the other; at least one, even where that only takes away.

    >>> writing = Writing("default", "0198", 1, "summarize", 1)
    >>> [(piece.offset, piece.text) for piece in pieces(writing, "Locks lift ", "Locks lower boats")]
    [(7, 'ower boats')]
    """
    start = len(before) if now.startswith(before) else _common(before, now)
    places = range(start, len(now), MAX_PIECE_CHARS) or [start]
    return [Delta(writing, place, now[place : place + MAX_PIECE_CHARS]) for place in places]


def _common(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
