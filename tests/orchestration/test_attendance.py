import os
import socket

import pytest

from orchestration import attendance
from orchestration.attendance import ALIVE_FOR_S, RATE_OVER_S, SIGN_EVERY_S, Attendance, Tally, attending
from orchestration.leases import LeaseThread
from pipeline.errors import RecordsUnavailable
from pipeline.memory import MemoryRecords
from pipeline.queues import Worker
from tests.support.bench import Watched
from tests.support.tools import START, ManualClock
from tests.support.waiting import until

NAME = "fetch-7@host"


class FakeGate:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.begun: bool | None = None
        self.is_open: bool | None = None

    def begin(self, *, is_open: bool) -> None:
        self.begun = is_open

    def set(self, *, is_open: bool) -> None:
        self.is_open = is_open


class Process:
    """The attendance of a worker over records in memory, on a clock that is moved by hand."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.records = Watched(MemoryRecords(self.clock))
        self.gate = FakeGate()
        self.tally = Tally(self.clock.monotonic)
        worker = Worker(NAME, ("fetch",), "host", 7, started_at=START, seen_at=START)
        self.attendance = Attendance(self.records, self.clock, self.gate, worker, self.tally)  # type: ignore[arg-type]

    def workers(self) -> list[Worker]:
        return list(self.records.inner.workers())


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Process:
    monkeypatch.setattr(attendance, "LOOK_EVERY_S", 0.01)
    return Process()


# the gate


def test_the_gate_follows_the_records(process: Process) -> None:
    for is_paused in (False, True, False):
        if is_paused:
            process.records.pause("fetch", START)
        else:
            process.records.resume("fetch")
        process.attendance.look()
        assert process.gate.is_open is not is_paused


def test_a_pause_of_another_stage_shuts_nothing(process: Process) -> None:
    process.records.pause("store", START)
    process.attendance.look()
    assert process.gate.is_open


@pytest.mark.parametrize("is_paused", [True, False])
def test_a_worker_begins_as_the_records_say(process: Process, is_paused: bool) -> None:
    if is_paused:
        process.records.pause("fetch", START)
    process.attendance.begin()
    process.attendance.close()
    assert process.gate.begun is not is_paused


def test_a_worker_that_cannot_know_begins_shut_and_opens_when_it_can(process: Process) -> None:
    process.records.broken["paused"] = RecordsUnavailable("no answer")
    process.attendance.begin()
    assert process.gate.begun is False
    process.records.broken.clear()
    until(lambda: process.gate.is_open, within_s=5, what="the gate to open")
    process.attendance.close()


@pytest.mark.parametrize("error", [RecordsUnavailable("no answer"), ValueError("a defect")])
def test_without_the_records_the_gate_stays_as_it_is(
    process: Process, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    process.records.pause("fetch", START)
    process.attendance.begin()
    until(lambda: process.gate.is_open is False, within_s=5, what="a look")
    process.records.broken["paused"] = error
    process.records.inner.resume("fetch")
    until(lambda: str(error) in caplog.text, within_s=5, what="a look that fails")
    assert process.gate.is_open is False
    process.records.broken.clear()
    until(lambda: process.gate.is_open, within_s=5, what="the gate to open")
    process.attendance.close()


# signs of life


def test_a_worker_that_looks_lives(process: Process) -> None:
    for _ in range(100):
        process.attendance.look()
        (worker,) = process.workers()
        process.clock.advance(1)
    assert (worker.name, worker.stages, worker.started_at) == (NAME, ("fetch",), START)
    assert process.clock.monotonic() - (worker.seen_at - START).total_seconds() <= SIGN_EVERY_S + 1
    assert process.records.log.count("check_in") <= 100 / SIGN_EVERY_S + 1


def test_a_worker_that_is_killed_is_gone_after_a_while(process: Process) -> None:
    process.attendance.look()
    process.clock.advance(ALIVE_FOR_S + 1)
    assert process.workers() == []


def test_a_worker_that_ends_is_gone_at_once(process: Process) -> None:
    process.attendance.begin()
    until(process.workers, within_s=5, what="a sign of life")
    process.attendance.close()
    assert process.workers() == []
    process.attendance.close()


def test_a_sign_that_failed_is_given_with_the_next_look(process: Process) -> None:
    process.records.broken["check_in"] = RecordsUnavailable("no answer")
    with pytest.raises(RecordsUnavailable):
        process.attendance.look()
    process.records.broken.clear()
    process.attendance.look()
    assert process.workers() != []


def test_what_was_finished_in_the_last_minute_is_told(process: Process) -> None:
    for _ in range(30):
        process.clock.advance(1)
        process.tally.note()
    process.attendance.look()
    assert process.workers()[0].finished_per_s == 30 / RATE_OVER_S
    process.clock.advance(RATE_OVER_S - 10)
    process.attendance.look()
    assert process.workers()[0].finished_per_s == 10 / RATE_OVER_S
    process.clock.advance(RATE_OVER_S)
    process.attendance.look()
    assert process.workers()[0].finished_per_s == 0


def test_a_worker_is_the_owner_of_its_attempts() -> None:
    clock, gate = ManualClock(), FakeGate()
    records = MemoryRecords(clock)
    with attending(records, clock, gate, NAME, "fetch", concurrency=7):  # type: ignore[arg-type]
        until(records.workers, within_s=5, what="a sign of life")
        (worker,) = records.workers()
        assert (worker.host, worker.pid, worker.concurrency) == (socket.gethostname(), os.getpid(), 7)
        assert worker.owner == LeaseThread(records, lease_s=10).owner
    assert records.workers() == []
