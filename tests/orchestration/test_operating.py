from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from orchestration.operating import QueueDesk
from orchestration.queues import Backlog
from pipeline.definition import CATALOG
from pipeline.errors import UnknownStage
from pipeline.job import Lane
from pipeline.memory import MemoryRecords
from pipeline.queues import Worker
from tests.support.jobs import LEASE_S, World, key_of
from tests.support.tools import START, ManualClock

EMPTY = Backlog(dict.fromkeys(Lane, 0))
WORKER = Worker("fetch-7@a", ("fetch",), "a", 7, started_at=START, seen_at=START, finished_per_s=0.5)


class FakeQueues:
    """Nothing waits but what is told."""

    transport = "streams"

    def __init__(self) -> None:
        self.waiting: dict[str, Backlog] = {}

    def backlogs(self) -> Mapping[str, Backlog]:
        return {stage: self.waiting.get(stage, EMPTY) for stage in CATALOG.stages}


class Office:
    """A desk over records in memory."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.records = MemoryRecords(self.clock)
        self.world = World(self.records, self.clock.advance)
        self.queues: Any = FakeQueues()
        self.desk = QueueDesk(CATALOG, self.records, self.queues, self.clock)

    def state(self, stage: str) -> Any:
        return next(state for state in self.desk.states() if state.stage == stage)

    def claim(self, owner: str, times: int = 1) -> None:
        for _ in range(times):
            key = key_of(self.world.accept())
            self.records.claim(key, owner=owner, lease_s=LEASE_S, at=START)


@pytest.fixture
def office() -> Office:
    return Office()


def test_every_stage_has_a_queue(office: Office) -> None:
    assert [state.stage for state in office.desk.states()] == list(CATALOG.stages)


def test_a_queue_is_shown_with_what_waits_who_serves_it_and_what_runs(office: Office) -> None:
    office.queues.waiting["fetch"] = backlog = replace(EMPTY, delayed=3)
    for worker in (WORKER, replace(WORKER, name="fetch-8@a", pid=8), replace(WORKER, name="s", stages=("store",))):
        office.records.check_in(worker, lease_s=10)
    office.claim("a:7", 2)
    office.claim("gone:1")
    state = office.state("fetch")
    assert (state.backlog, state.paused_at) == (backlog, None)
    assert (state.workers, state.running, state.finished_per_s) == (2, 3, 1.0)
    assert (office.state("store").workers, office.state("store").running) == (1, 0)
    assert office.state("extract").workers == 0


def test_each_worker_is_shown_with_what_it_runs(office: Office) -> None:
    idle = replace(WORKER, name="store-8@a", stages=("store",), pid=8)
    for worker in (idle, WORKER):
        office.records.check_in(worker, lease_s=10)
    office.claim("a:7", 2)
    assert [(busy.worker, busy.running) for busy in office.desk.workers()] == [(WORKER, 2), (idle, 0)]


def test_a_queue_is_paused_and_resumed(office: Office) -> None:
    assert office.desk.pause("fetch") == START
    office.clock.advance(5)
    assert office.desk.pause("fetch") == START
    assert office.state("fetch").paused_at == START
    office.desk.resume("fetch")
    assert office.state("fetch").paused_at is None


def test_a_stage_that_does_not_exist_cannot_be_paused_or_resumed(office: Office) -> None:
    for act in (office.desk.pause, office.desk.resume):
        with pytest.raises(UnknownStage, match="translate"):
            act("translate")
    assert office.records.paused() == {}
