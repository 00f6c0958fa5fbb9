"""Where runs of finished jobs are asked for, over twins in memory."""

from typing import Any

import pytest

from orchestration.runs import Reruns
from pipeline.definition import CATALOG
from pipeline.job import Job, NewJob
from pipeline.memory import MemoryAnnouncer, MemoryRecords
from stages.contract import Options
from tests.support.bench import Watched
from tests.support.broker import MemoryBroker
from tests.support.jobs import STAGES, TENANT, World
from tests.support.tools import ManualClock

DEADLINE_S = 600


class RunOffice:
    """Runs can be asked for here; one log says all that is done, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        self.clock = ManualClock()
        self.records = Watched(MemoryRecords(self.clock), self.log)
        self.world = World(self.records.inner, self.clock.advance)
        self.broker = MemoryBroker(monkeypatch, CATALOG.stages.values(), self.log)
        self.announcer = MemoryAnnouncer()
        self.reruns = Reruns(self.records, self.broker.app, self.announcer, self.clock, DEADLINE_S)

    def failed(self, stage: str, **about: Any) -> NewJob:
        job = self.world.accept(**about)
        self.world.do(job, *STAGES[: STAGES.index(stage)])
        self.world.fail(job, stage)
        self.clock.advance(3600)
        return job

    def done(self) -> NewJob:
        job = self.world.accept()
        self.world.do(job, *STAGES)
        return job

    def retry(self, job: NewJob) -> Job:
        return self.reruns.retry(TENANT, job.id)

    def replay(self, job: NewJob, stage: str, options: Options | None = None) -> Job:
        return self.reruns.replay(TENANT, job.id, stage, options)
