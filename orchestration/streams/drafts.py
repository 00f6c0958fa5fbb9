"""The texts that are being written now, as one process knows them: of each job what its latest attempt has shown.

Whoever watches is sent what the text has become since it was sent something, however often it changed meanwhile. So
nothing is kept for a slow reader, and one who comes late is sent the text so far at once.
"""

import json
from collections import OrderedDict
from dataclasses import dataclass, replace

from orchestration.streams.window import Told
from pipeline.deltas import MAX_SHOWN_CHARS, Delta, Writing, pieces

MAX_DRAFTS = 2_000
"""Texts that are remembered, those that changed last."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A text so far."""

    writing: Writing
    text: str = ""
    is_over: bool = False
    """Whether its attempt has ended or another one has begun."""

    def since(self, seen: "Draft | None") -> list[Delta]:
        """What is new to one who was sent that before."""
        before = seen.text if seen is not None and seen.writing == self.writing else ""
        return pieces(self.writing, before, self.text) if self.text != before else []


class Drafts:
    """Not thread-safe: it belongs to an event loop."""

    def __init__(self) -> None:
        self._of_job: OrderedDict[str, Draft] = OrderedDict()

    def get(self, job_id: str) -> Draft | None:
        """What is being written for a job, or was a moment ago."""
        return self._of_job.get(job_id)

    def add(self, delta: Delta) -> bool:
        """Take a piece; returns whether it changed anything.

        What an attempt says after its end does not, nor does a piece that something is missing before.
        """
        known = self._of_job.get(delta.writing.job_id)
        draft = known if known is not None and known.writing == delta.writing else Draft(delta.writing)
        if draft.is_over or delta.offset > len(draft.text) or (known is not None and _is_older(draft, known)):
            return False
        text = (draft.text[: delta.offset] + delta.text)[:MAX_SHOWN_CHARS]
        self._keep(replace(draft, text=text))
        return True

    def hear(self, told: Told) -> None:
        """Take notice of an event, which may be the end of an attempt."""
        draft = self._of_job.get(told.job_id)
        if draft is not None and not draft.is_over and _ends(told, draft.writing):
            self._of_job[told.job_id] = replace(draft, is_over=True)

    def clear(self) -> None:
        """Forget everything."""
        self._of_job.clear()

    def _keep(self, draft: Draft) -> None:
        self._of_job[draft.writing.job_id] = draft
        self._of_job.move_to_end(draft.writing.job_id)
        if len(self._of_job) > MAX_DRAFTS:
            self._of_job.popitem(last=False)


def _is_older(one: Draft, other: Draft) -> bool:
    """Whether it is of an earlier attempt; those of different stages follow each other as they come."""
    mine, theirs = one.writing, other.writing
    if mine.run != theirs.run:
        return mine.run < theirs.run
    return mine.stage == theirs.stage and mine.attempt < theirs.attempt


def _ends(told: Told, writing: Writing) -> bool:
    """Whether an event says that this attempt has ended, or that a later one has begun."""
    if told.run != writing.run:
        return told.run > writing.run
    if told.is_last:
        return True
    event = json.loads(told.data)
    if event.get("stage") != writing.stage:
        return False
    attempt = event.get("attempt") or 0
    return (
        told.event == "stage.succeeded"
        or (told.event == "stage.started" and attempt > writing.attempt)
        or (told.event == "stage.waiting" and attempt >= writing.attempt)
    )
