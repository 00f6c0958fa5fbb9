"""Digests: when all jobs of a batch have ended, one more summarizes what came of them."""

import logging
from dataclasses import dataclass, field, replace

from orchestration.orders import order_from
from orchestration.submit import Desk, Submission, erase_objects
from pipeline.batches import Batch, BatchKey, BatchRecords
from pipeline.errors import MachineryFailed, PayloadLost, PayloadsUnavailable, QuotaExceeded, Refused
from pipeline.job import Job, JobState
from pipeline.sources import BatchProblem
from stages.contract import Document

log = logging.getLogger(__name__)

TURN_S = 1.0
"""After so long the rest is left to the next turn: the keeper has other work, and has to show that it leads."""
DUE_AT_ONCE = 20
JOBS_AT_ONCE = 50
MAX_BYTES = 2 * 2**20
"""Of what is summarized; results beyond it are left out."""
MAX_SECTION_CHARS = 4_000
"""Of one result."""
CONTENT_TYPE = "text/markdown; charset=utf-8"
NOTHING = BatchProblem("nothing_to_digest", "No job of the batch has a result.")
DEFECT = BatchProblem("internal_error", "A defect in the software kept it from being made; see the keeper's log.")


@dataclass(slots=True)
class Draft:
    """What is gathered so far of the results of a batch, in the order of its items."""

    after: str | None = None
    """The id of the last job that was read."""
    sections: list[str] = field(default_factory=list)
    size: int = 0
    left_out: int = 0

    def add(self, section: str) -> None:
        """Take one more, if there is room."""
        size = len(section.encode())
        if self.left_out or self.size + size > MAX_BYTES:
            self.left_out += 1
            return
        self.sections.append(section)
        self.size += size

    def text(self, name: str | None) -> str:
        """All of it as Markdown."""
        more = [f"{self.left_out} more are left out.\n"] if self.left_out else []
        return "\n".join([f"# {_line(name or 'Results')}\n", *self.sections, *more])


class DigestWork:
    """What the keeper does about digests, a little at a time. Drafts are in memory: who takes over begins anew."""

    def __init__(self, records: BatchRecords, jobs: Desk) -> None:
        self._records = records
        self._jobs = jobs
        self._drafts: dict[BatchKey, Draft] = {}

    def turn(self) -> int:
        """Go on with drafts, and submit those that are whole; returns how many. Raises `RecordsUnavailable`."""
        over_at_s = self._jobs.clock.monotonic() + TURN_S
        due = self._records.due_digests(limit=DUE_AT_ONCE)
        self._drafts = {key: self._drafts.get(key, Draft()) for key in due}
        submitted = 0
        for key in due:
            if self._jobs.clock.monotonic() >= over_at_s:
                break
            submitted += self._go_on_safely(key, over_at_s)
        return submitted

    def _go_on_safely(self, key: BatchKey, over_at_s: float) -> bool:
        try:
            return self._go_on(key, over_at_s)
        except (PayloadsUnavailable, QuotaExceeded) as error:
            log.warning("the digest of batch %s is made later: %s", key.id, error)
        except Refused as error:
            self._records.refuse_digest(key, BatchProblem(error.code, str(error)))
        except MachineryFailed:
            raise
        except Exception:
            # A batch that meets a defect stands in no other's way.
            log.exception("the digest of batch %s met a defect", key.id)
            self._records.refuse_digest(key, DEFECT)
        return False

    def _go_on(self, key: BatchKey, over_at_s: float) -> bool:
        batch = self._records.batch(key.tenant_id, key.id)
        if batch is None or not self._is_whole(key, self._drafts[key], over_at_s):
            return False
        draft = self._drafts[key]
        if not draft.sections:
            self._records.refuse_digest(key, NOTHING)
            return False
        return self._is_submitted(key, digest_of(batch, draft))

    def _is_whole(self, key: BatchKey, draft: Draft, over_at_s: float) -> bool:
        """Read on while there is time; returns whether all results were read."""
        while self._jobs.clock.monotonic() < over_at_s:
            found = self._records.batch_results(key.tenant_id, key.id, after=draft.after, limit=JOBS_AT_ONCE)
            if not found:
                return True
            for job in found:
                self._read(job, draft)
            draft.after = found[-1].id
        return False

    def _read(self, job: Job, draft: Draft) -> None:
        if job.state is not JobState.SUCCEEDED or job.result is None:
            return
        if draft.left_out:
            draft.left_out += 1
            return
        try:
            document = Document.from_bytes(self._jobs.payloads.get(job.result))
        except PayloadLost as error:
            log.warning("the digest does without job %s: %s", job.id, error)
        else:
            draft.add(section_of(document))

    def _is_submitted(self, key: BatchKey, submission: Submission) -> bool:
        job = self._jobs.new(submission)
        try:
            is_launched = self._records.record_digest(key, job, self._jobs.allowed(key.tenant_id))
        except QuotaExceeded:
            erase_objects(self._jobs.payloads, job.tenant_id, job.id)
            raise
        if is_launched is None:
            erase_objects(self._jobs.payloads, job.tenant_id, job.id)
            return False
        self._jobs.begin(job, is_held=not is_launched)
        return True


def digest_of(batch: Batch, draft: Draft) -> Submission:
    """The job that summarizes what was gathered."""
    (pattern,) = order_from({"job": batch.digest_order}, batch.tenant_id).items
    body = draft.text(batch.name).encode(errors="replace")
    return replace(pattern, body=body, content_type=CONTENT_TYPE, name="digest.md")


def section_of(document: Document) -> str:
    """Title, URL and summary of a result, as Markdown; where it has no summary, how its text begins."""
    url = document.source.final_url or document.source.url
    title = _line(document.metadata.title or url or "Untitled")
    said = document.summary.text if document.summary is not None and document.summary.text else document.text
    parts = [f"## {title}", *([f"<{url}>"] if url and url != title else []), said.strip()[:MAX_SECTION_CHARS]]
    return "\n\n".join(parts) + "\n"


def _line(text: str) -> str:
    return " ".join(text.split())[:200]
