"""Answers of language models that are kept, so that what was asked before costs nothing."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pipeline.spending import Caller


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came."""

    text: str = field(repr=False)
    model: str
    input_tokens: int
    """What it took, as `output_tokens`."""
    output_tokens: int
    is_estimated: bool = False
    """Whether the server did not say how many tokens."""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer that was found."""

    answer: Answer
    is_paid: bool
    """Whether it was counted already; one whose worker died before is counted by the attempt that finds it."""


class AnswerRecords(Protocol):
    """Answers by the digest of all that was asked, each tenant's own.

    A new answer is found by the attempts of its own job only, until one that had it succeeded: then the stage has
    accepted it, and all jobs of the tenant find it. One that was spent in vain takes its answers with it.
    """

    def answer(self, caller: Caller, digest: str, since: datetime) -> KeptAnswer | None:
        """An answer that the caller may have, kept no earlier than `since`."""

    def keep_answer(self, caller: Caller, digest: str, answer: Answer, at: datetime) -> None:
        """Keep a new answer, unless an accepted one is there. It goes with the job."""

    def forget_answers(self, *, before: datetime) -> int:
        """Erase answers that were kept before; returns how many."""
