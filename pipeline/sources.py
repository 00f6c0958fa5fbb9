"""Sources of batches: sitemaps, feeds and OPML whose entries become items, and the lists that those name.

waiting → reading → taken
   │         └→ failed      its job has ended without a list
   └→ left_out              the batch is full or was cancelled

Reading a source is an ordinary job. What it lists is taken in chunks, each recorded in one transaction with how far
the source was taken, so that whoever goes on after a crash takes nothing twice. When no source is left the batch is
sealed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import urldefrag

from pipeline.job import NewJob
from pipeline.tenants import UNLIMITED, Allowance
from stages.contract.nouns import ListEntry

MAX_SOURCES = 200
"""Of one batch, nested ones included."""
MAX_DEPTH = 3
"""Of a nested source; the one that was asked for has 0."""
SOURCES_AT_ONCE = 8
"""Of one batch that are being read."""


class SourceState(StrEnum):
    """How far a source has come."""

    WAITING = "waiting"
    READING = "reading"
    TAKEN = "taken"
    FAILED = "failed"
    LEFT_OUT = "left_out"

    @property
    def is_open(self) -> bool:
        """Whether items may come of it still."""
        return self in OPEN


OPEN = (SourceState.WAITING, SourceState.READING)


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """What is to be made of the entries of a source."""

    url: str
    limit: int
    """Items at most."""
    since: date | None
    """Entries that say they are older are left out."""
    job: Mapping[str, Any]
    """What each item asks for besides its URL, as a document."""


@dataclass(frozen=True, slots=True)
class BatchProblem:
    """Why a part of a batch was not done: a source not taken, or not all of it, or no digest made."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class BatchSource:
    """One source of a batch."""

    position: int
    """From 0, in the order in which they were found."""
    url: str
    depth: int
    state: SourceState = SourceState.WAITING
    job_id: str | None = None
    """Of the job that reads it."""
    seen: int = 0
    """Entries that were looked at."""
    found: int = 0
    """Items that came of them."""
    problem: BatchProblem | None = None


@dataclass(frozen=True, slots=True)
class SourceKey:
    """Which source of which batch."""

    tenant_id: str
    batch_id: str
    position: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A step in taking the entries of a source."""

    key: SourceKey
    seen_before: int
    seen: int
    state: SourceState
    at: datetime
    nested: tuple[str, ...] = ()
    """URLs of further sources."""
    problem: BatchProblem | None = None
    is_full: bool = False
    """Whether the batch takes no more items."""


def wanted(entry: ListEntry, known: set[str], since: date | None) -> str | None:
    """The URL of an entry that is new and not too old; it is known then.

    >>> known = {"https://a.example/1"}
    >>> wanted(ListEntry(url="https://a.example/1#part"), known, None)
    >>> wanted(ListEntry(url="https://a.example/2", date="2026-01-31"), known, date(2026, 2, 1))
    >>> wanted(ListEntry(url="https://a.example/2", date="2026-02-01T10:00:00Z"), known, date(2026, 2, 1))
    'https://a.example/2'
    """
    url = urldefrag(entry.url).url
    if url in known or not _is_recent(entry.date, since):
        return None
    known.add(url)
    return url


def _is_recent(stated: str | None, since: date | None) -> bool:
    """What has no date may be new."""
    return since is None or stated is None or stated[:10] >= since.isoformat()[: len(stated)]


class SourceRecords(Protocol):
    """The records, with what they keep of the sources of batches."""

    def ended_sources(self, *, limit: int) -> Sequence[SourceKey]:
        """Sources of open batches that are being read by a job which has ended, or is erased."""

    def waiting_sources(self) -> Sequence[SourceKey]:
        """Of each open batch with fewer than `SOURCES_AT_ONCE` in reading, the first one that waits."""

    def start_source(self, key: SourceKey, job: NewJob, allowed: Allowance = UNLIMITED) -> bool | None:
        """Accept the job that reads a waiting source; None, and nothing, where it does not wait any more.

        Otherwise returns and raises as `accept`.
        """

    def urls_of(self, tenant_id: str, batch_id: str) -> set[str]:
        """The URLs of all jobs and sources of a batch."""
