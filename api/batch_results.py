"""The results of a batch as one stream, of which only one document is in memory at a time."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from api.schemas import ErrorView
from pipeline.batches import Batch, BatchRecords
from pipeline.errors import PayloadLost
from pipeline.job import Job, JobError, JobState
from pipeline.ports import Payloads

JOBS_AT_ONCE = 100
GONE = "The stored result is gone; run the job again."


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job of the batch ended: with a document, or with the reason why there is none."""

    job: Job
    document: bytes | None
    error: JobError | None

    def as_line(self) -> bytes:
        """As one line of JSON."""
        return self._about()[:-1] + b', "result": ' + (self.document or b"null") + b"}\n"

    def as_file(self) -> tuple[str, bytes]:
        """As the name and the content of a file."""
        name = f"{self.job.batch_index or 0:05}-{self.job.id}"
        return (f"{name}.json", self.document) if self.document else (f"{name}.error.json", self._about())

    def _about(self) -> bytes:
        view = ErrorView.of(self.error)
        about = {
            "index": self.job.batch_index,
            "job_id": self.job.id,
            "run": self.job.run,
            "status": self.job.state,
            "source_url": self.job.source.url,
            "error": None if view is None else view.model_dump(),
        }
        return json.dumps(about).encode()


def as_lines(records: BatchRecords, payloads: Payloads, batch: Batch) -> Iterator[bytes]:
    """A line for each job that has ended."""
    return (ending.as_line() for ending in _endings(records, payloads, batch))


def as_zip(records: BatchRecords, payloads: Payloads, batch: Batch) -> Iterator[bytes]:
    """An archive with a file for each job that has ended."""
    pieces = _Pieces()
    with ZipFile(pieces, "w", ZIP_DEFLATED) as archive:
        for ending in _endings(records, payloads, batch):
            archive.writestr(*ending.as_file())
            yield pieces.take()
    yield pieces.take()


def _endings(records: BatchRecords, payloads: Payloads, batch: Batch) -> Iterator[Ending]:
    after: str | None = None
    while jobs := records.batch_results(batch.tenant_id, batch.id, after=after, limit=JOBS_AT_ONCE):
        for job in jobs:
            yield _ending(payloads, job)
        after = jobs[-1].id


def _ending(payloads: Payloads, job: Job) -> Ending:
    if job.state is not JobState.SUCCEEDED or job.result is None:
        return Ending(job, None, job.error)
    try:
        return Ending(job, payloads.get(job.result), None)
    except PayloadLost as error:
        return Ending(job, None, JobError(error.code, GONE))


class _Pieces(io.RawIOBase):
    """A file that can only be written, and gives away what was."""

    def __init__(self) -> None:
        super().__init__()
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        piece = bytes(self._written)
        self._written.clear()
        return piece
