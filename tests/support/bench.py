"""Attempts over the twins in memory, and a wrapper that makes any service fail."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from pipeline.attempt import Services, attempt
from pipeline.cached_pages import DirectPages
from pipeline.composition import Catalog
from pipeline.ids import StageKey
from pipeline.job import Job, NewJob, StageRecord
from pipeline.memory import MemoryAnnouncer, MemoryBreakers, MemoryDeltas, MemoryLeases, MemoryPayloads, MemoryRecords
from pipeline.outbound_ports import LanguageModels, Outbound
from pipeline.outcome import Outcome
from tests.support.jobs import MESSAGE, key_of, new_job
from tests.support.tools import FakeHttp, InlineIsolate, ManualClock


class Watched:
    """Passes every call on to a service, notes its name, and fails those in `broken` instead."""

    def __init__(self, inner: Any, log: list[str] | None = None) -> None:
        self.inner = inner
        self.log = [] if log is None else log
        self.broken: dict[str, Exception] = {}

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.log.append(name)
            if name in self.broken:
                raise self.broken[name]
            return getattr(self.inner, name)(*args, **kwargs)

        return call


@dataclass
class Bench:
    """All that attempts are made with, on a clock that is moved by hand."""

    catalog: Catalog
    clock: ManualClock = field(default_factory=ManualClock)
    random: Random = field(default_factory=lambda: Random(11))
    http: FakeHttp = field(default_factory=FakeHttp)
    leases: MemoryLeases = field(default_factory=MemoryLeases)
    breakers: MemoryBreakers = field(default_factory=MemoryBreakers)
    announcer: MemoryAnnouncer = field(default_factory=MemoryAnnouncer)
    deltas: MemoryDeltas = field(default_factory=MemoryDeltas)
    llm: LanguageModels | None = None

    def __post_init__(self) -> None:
        self.records = Watched(MemoryRecords(self.clock))
        self.payloads = Watched(MemoryPayloads())

    @property
    def objects(self) -> dict[str, bytes]:
        """What the payload store holds."""
        objects: dict[str, bytes] = self.payloads.inner.objects
        return objects

    @property
    def services(self) -> Services:
        return Services(
            catalog=self.catalog,
            records=self.records,
            payloads=self.payloads,
            leases=self.leases,
            breakers=self.breakers,
            announcer=self.announcer,
            deltas=self.deltas,
            outbound=Outbound(self.http, DirectPages(self.http), browser=None, llm=self.llm, isolate=InlineIsolate()),
            clock=self.clock,
            random=self.random,
        )

    def accept(self, **changes: Any) -> NewJob:
        """Record a job of the catalog's first pipeline."""
        pipeline = next(iter(self.catalog.pipelines.values()))
        job = new_job(**{"pipeline": pipeline.name, "stages": pipeline.stage_names, **changes})
        self.records.inner.accept(job)
        return job

    def attempt(self, job: NewJob, stage: str, **about: Any) -> Outcome:
        return self.attempt_key(key_of(job, stage), **about)

    def attempt_key(self, key: StageKey, **about: Any) -> Outcome:
        return attempt(key, self.services, **about)

    def read(self, job: NewJob) -> Job:
        found: Job = self.records.inner.job(job.tenant_id, job.id)
        return found

    def stage(self, job: NewJob, stage: str) -> StageRecord:
        return next(record for record in self.read(job).stages if record.stage == stage)

    def claim(self, job: NewJob, stage: str) -> Any:
        """Take a stage as another worker would."""
        key = StageKey(job.id, 1, stage)
        return self.records.inner.claim(key, owner="another", message_id=MESSAGE, lease_s=30.0, at=self.clock.now())
