"""Twins of the ports in memory, for unit tests and for trying things out."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from pipeline.claims import claim_for, verified
from pipeline.deltas import Delta
from pipeline.errors import PayloadCorrupt, PayloadMissing
from pipeline.events import Event
from pipeline.ids import Claim, Hold
from pipeline.memory_records import MemoryRecords
from pipeline.ports import Records
from stages.contract import CancelToken, Postponed, StageError

__all__ = ["MemoryAnnouncer", "MemoryBreakers", "MemoryDeltas", "MemoryLeases", "MemoryPayloads", "MemoryRecords"]


@dataclass
class MemoryPayloads:
    """`Payloads` in a dictionary, which tests may look into and damage."""

    objects: dict[str, bytes] = field(default_factory=dict)
    written_at_s: dict[tuple[str, str], float] = field(default_factory=dict, repr=False)
    """When each job wrote last, on the monotonic clock."""

    def put(self, key: str, data: bytes, media_type: str) -> Claim:
        """Store bytes."""
        claim = claim_for(key, data, media_type)
        self.objects[claim.key] = data
        self.written_at_s[_job_of(claim.key)] = time.monotonic()
        return claim

    def put_stream(self, key: str, chunks: Iterable[bytes], media_type: str) -> Claim:
        """Store bytes."""
        return self.put(key, b"".join(chunks), media_type)

    def get(self, claim: Claim) -> bytes:
        """Read and verify."""
        if claim.key not in self.objects:
            raise PayloadMissing(claim.key)
        return verified(claim, self.objects[claim.key])

    def delete(self, claim: Claim) -> None:
        """Remove an object."""
        self.objects.pop(claim.key, None)

    def quarantine(self, claim: Claim) -> None:
        """Put an object that is not what was claimed aside."""
        with suppress(PayloadMissing):
            try:
                self.get(claim)
            except PayloadCorrupt:
                self.objects[f".quarantine/{claim.key}"] = self.objects.pop(claim.key)

    def delete_job(self, tenant_id: str, job_id: str) -> None:
        """Remove all objects of a job."""
        for key in [key for key in self.objects if _job_of(key) == (tenant_id, job_id)]:
            del self.objects[key]

    def jobs(self, older_than_s: float) -> Iterator[tuple[str, str]]:
        """Jobs with objects, none of them written this recently."""
        before = time.monotonic() - older_than_s
        return iter({job for job in map(_job_of, self.objects) if self.written_at_s.get(job, 0.0) < before})

    def sweep(self, older_than_s: float) -> int:  # noqa: ARG002 - there is nothing to sweep
        """No write is interrupted."""
        return 0

    def check(self) -> None:
        """Memory can always be used."""


def _job_of(key: str) -> tuple[str, str]:
    """The tenant and job in a key.

    >>> _job_of("default/0198/1/fetch.0-e3b0"), _job_of(".quarantine/default/0198/1/fetch.0-e3b0")
    (('default', '0198'), ('default', '0198'))
    """
    tenant_id, job_id, *_ = key.removeprefix(".quarantine/").split("/")
    return tenant_id, job_id


@dataclass
class MemoryLeases:
    """`Leases` that are renewed only when `renew` is called."""

    owner: str = "memory"
    lease_s: float = 30.0
    tokens: dict[Hold, CancelToken] = field(default_factory=dict)

    @contextmanager
    def holding(self, hold: Hold, token: CancelToken) -> Iterator[None]:
        """Keep a hold while the block runs."""
        self.tokens[hold] = token
        try:
            yield
        finally:
            del self.tokens[hold]

    def renew(self, records: Records) -> None:
        """Renew all holds once and cancel the attempts that lost theirs."""
        renewal = records.renew(self.tokens.keys(), lease_s=self.lease_s)
        for hold in renewal.lost | renewal.cancelled:
            self.tokens[hold].cancel()


@dataclass
class MemoryAnnouncer:
    """`Announcer` that keeps what was told, and tells once what is to be told once."""

    told: list[Event] = field(default_factory=list)

    def announce(self, *events: Event) -> bool:
        """Tell these events."""
        names = {event.once for event in self.told}
        self.told += [event for event in events if event.once is None or event.once not in names]
        return True


@dataclass
class MemoryDeltas:
    """`Deltas` that keep what was told."""

    told: list[Delta] = field(default_factory=list)
    is_heard: bool = True

    def tell(self, *deltas: Delta) -> bool:
        """Tell these pieces, unless they are not heard."""
        self.told += deltas if self.is_heard else ()
        return self.is_heard


@dataclass
class MemoryBreakers:
    """`Breakers` that are open only where a test says so; `failures` counts what was blamed on whom."""

    open_for_s: Mapping[str, float] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def guard(self, dependency: str) -> Iterator[None]:
        """Raise `Postponed` where the breaker is open; count errors that blame the dependency."""
        if dependency in self.open_for_s:
            raise Postponed("dependency_unavailable", delay_s=self.open_for_s[dependency])
        try:
            yield
        except StageError as error:
            self.failures[dependency] += error.blames_dependency
            raise
