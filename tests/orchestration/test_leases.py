import threading
from collections.abc import Iterator

import pytest

from orchestration import leases
from orchestration.leases import LeaseThread
from pipeline.errors import RecordsUnavailable
from pipeline.ids import Hold
from pipeline.memory import MemoryRecords
from stages.contract import CancelToken
from tests.support.bench import Watched
from tests.support.jobs import LEASE_S, World
from tests.support.tools import START, ManualClock
from tests.support.waiting import until


class Process:
    """The leases of one process over records in memory."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.records = Watched(MemoryRecords(self.clock))
        self.world = World(self.records.inner, self.clock.advance)
        self.leases = LeaseThread(self.records, lease_s=LEASE_S)

    def hold(self) -> Hold:
        return self.world.hold(self.world.accept())


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    """Its thread sleeps until it is wanted, so that each renewal is called by the test."""
    monkeypatch.setattr(leases, "RENEW_EVERY_S", 3600)
    made = Process()
    yield made
    made.leases.close()


def test_a_held_stage_never_lapses(process: Process) -> None:
    with process.leases.holding(process.hold(), CancelToken()):
        for _ in range(5):
            process.clock.advance(LEASE_S - 1)
            process.leases.renew()
        assert process.records.lapsed(limit=10) == []


def test_a_process_that_stops_leaves_what_it_holds_to_others(process: Process) -> None:
    token = CancelToken()
    with process.leases.holding(process.hold(), token):
        process.leases.interrupt()
    assert token.is_cancelled
    assert token.is_for_now


def test_what_is_no_longer_held_is_not_renewed(process: Process) -> None:
    with process.leases.holding(process.hold(), CancelToken()):
        pass
    process.leases.renew()
    process.clock.advance(LEASE_S + 1)
    assert len(process.records.lapsed(limit=10)) == 1


def test_all_holds_are_renewed_in_one_call_and_none_in_none(process: Process) -> None:
    process.leases.renew()
    assert process.records.log == []
    with (
        process.leases.holding(process.hold(), CancelToken()),
        process.leases.holding(process.hold(), CancelToken()),
    ):
        process.leases.renew()
    assert process.records.log == ["renew"]


def test_the_attempt_of_a_cancelled_job_is_told_and_no_other(process: Process) -> None:
    cancelled, alive = process.hold(), process.hold()
    tokens = CancelToken(), CancelToken()
    process.records.request_cancel("default", cancelled.key.job_id, START)
    with process.leases.holding(cancelled, tokens[0]), process.leases.holding(alive, tokens[1]):
        process.leases.renew()
    assert [token.is_cancelled for token in tokens] == [True, False]


def test_an_attempt_that_was_replaced_is_told(process: Process) -> None:
    job = process.world.accept()
    suspect = process.world.lapse(job)
    process.records.reclaim(suspect, at=START)
    token = CancelToken()
    with process.leases.holding(Hold(suspect.key, suspect.epoch), token):
        process.leases.renew()
    assert token.is_cancelled


def test_a_hold_is_let_go_even_if_the_stage_fails(process: Process) -> None:
    token = CancelToken()
    with pytest.raises(ZeroDivisionError), process.leases.holding(process.hold(), token):
        raise ZeroDivisionError
    process.leases.renew()
    assert process.records.log == []


def threads() -> int:
    return sum(thread.name == "leases" for thread in threading.enumerate())


def test_there_is_no_thread_before_the_first_hold_and_one_for_all() -> None:
    until(lambda: threads() == 0, within_s=5, what="the threads of other tests to end")
    process = Process()
    hold, other = process.hold(), process.hold()
    assert threads() == 0
    with process.leases.holding(hold, CancelToken()), process.leases.holding(other, CancelToken()):
        assert threads() == 1
    process.leases.close()
    until(lambda: threads() == 0, within_s=5, what="the thread to end")


@pytest.mark.parametrize("error", [RecordsUnavailable("no answer"), ValueError("a defect")])
def test_the_thread_outlives_failures(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    monkeypatch.setattr(leases, "RENEW_EVERY_S", 0.005)
    process, token = Process(), CancelToken()
    hold = process.hold()
    process.records.broken["renew"] = error
    with process.leases.holding(hold, token):
        until(lambda: process.records.log.count("renew") > 2, within_s=5, what="three tries")
        assert not token.is_cancelled
        process.records.request_cancel("default", hold.key.job_id, START)
        process.records.broken.clear()
        assert token.wait(5)
    process.leases.close()
    assert str(error) in caplog.text


def test_the_owner_names_host_and_process(process: Process) -> None:
    host, _, pid = process.leases.owner.rpartition(":")
    assert host
    assert pid.isdecimal()
