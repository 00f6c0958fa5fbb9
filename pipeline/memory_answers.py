"""Answers of language models, in the records in memory."""

from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.answers import Answer, KeptAnswer
from pipeline.memory_budgets import MemoryBudgets
from pipeline.spending import Caller, Spending
from stages.contract import Clock


@dataclass(frozen=True, slots=True)
class _Kept:
    job_id: str
    answer: Answer
    at: datetime
    is_paid: bool = False
    is_accepted: bool = False


class MemoryAnswers(MemoryBudgets):
    """Keeps answers by tenant and digest."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._answers: dict[tuple[str, str], _Kept] = {}

    def answer(self, caller: Caller, digest: str, since: datetime) -> KeptAnswer | None:
        """An answer that the caller may have."""
        with self._lock:
            kept = self._answer(caller.tenant_id, digest)
        if kept is None or kept.at < since or not (kept.is_accepted or kept.job_id == caller.hold.key.job_id):
            return None
        return KeptAnswer(kept.answer, kept.is_paid)

    def keep_answer(self, caller: Caller, digest: str, answer: Answer, at: datetime) -> None:
        """Keep a new answer."""
        with self._lock:
            known, job_id = self._answer(caller.tenant_id, digest), caller.hold.key.job_id
            if job_id in self._kept and not (known and known.is_accepted):
                self._answers[caller.tenant_id, digest] = _Kept(job_id, answer, at)

    def forget_answers(self, *, before: datetime) -> int:
        """Erase old answers."""
        with self._lock:
            old = [key for key, kept in self._answers.items() if kept.at < before]
            for key in old:
                del self._answers[key]
            return len(old)

    def _answer(self, tenant_id: str, digest: str) -> _Kept | None:
        kept = self._answers.get((tenant_id, digest))
        return kept if kept is not None and kept.job_id in self._kept else None

    def _judge_answers(self, spending: Spending) -> None:
        for digest in spending.answers:
            kept = self._answers.pop((spending.tenant_id, digest), None)
            if kept is not None and spending.accepts is not False:
                is_accepted = kept.is_accepted or bool(spending.accepts)
                self._answers[spending.tenant_id, digest] = replace(kept, is_paid=True, is_accepted=is_accepted)
