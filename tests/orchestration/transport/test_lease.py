"""The lease of a process, by a clock that the test sets and beats that the test answers."""

import queue
import threading

import pytest
import redis.exceptions

from orchestration.transport.lease import Lease

LEASE_S = 0.04
"""By the test's clock; the thread really beats four times as often, whatever the clock says."""
LOST = redis.exceptions.ConnectionError("gone")


class Heart:
    """A lease whose thread begins a beat when it is told to."""

    def __init__(self):
        self.now = 100.0
        self.chores = 0
        self.chore = lambda: None
        self.request_s = 0.0
        self._answers = queue.Queue()
        self._waits = threading.Semaphore(0)
        self._go = threading.Semaphore(0)
        self.lease = Lease(self._beat, self._do_chores, LEASE_S, monotonic=self._monotonic)

    def start(self, answer=False):
        """The first beat; usually there was no lease to be held still."""
        self._answers.put(answer)
        self.lease.start()
        assert self._waits.acquire(timeout=5)

    def beat(self, answer=True, after_s=0.0):
        """Let time pass and then one beat; returns when what follows from it was done."""
        self.now += after_s
        self._answers.put(answer)
        self._go.release()
        assert self._waits.acquire(timeout=5)

    def stop(self):
        self._go.release(100)
        self.lease.stop()

    def _monotonic(self):
        if threading.current_thread() is not threading.main_thread():
            self._waits.release()
            self._go.acquire()
        return self.now

    def _beat(self):
        answer = True if self._answers.empty() else self._answers.get()
        self.now += self.request_s
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _do_chores(self):
        self.chores += 1
        self.chore()


@pytest.fixture
def heart():
    heart = Heart()
    yield heart
    heart.stop()


def test_there_is_no_lease_before_the_first_beat(heart):
    assert not heart.lease.is_held
    assert not heart.lease.is_settled


def test_the_first_beat_takes_the_lease_and_does_not_settle_it(heart):
    heart.start()
    assert heart.lease.is_held
    assert not heart.lease.is_settled


def test_a_first_beat_that_fails_raises(heart):
    with pytest.raises(redis.exceptions.ConnectionError):
        heart.start(LOST)
    assert not heart.lease.is_held


def test_a_lease_that_is_not_renewed_ends(heart):
    heart.start()
    heart.now += LEASE_S
    assert not heart.lease.is_held


def test_a_renewed_lease_goes_on(heart):
    heart.start()
    for _ in range(4):
        heart.beat(after_s=LEASE_S / 2)
    assert heart.lease.is_held


def test_a_lease_is_settled_once_it_was_held_for_as_long_as_it_lasts(heart):
    heart.start()
    heart.beat(after_s=LEASE_S * 0.6)
    assert not heart.lease.is_settled
    heart.beat(after_s=LEASE_S * 0.6)
    assert heart.lease.is_settled


def test_an_error_begins_the_wait_anew(heart):
    heart.start()
    heart.beat(after_s=LEASE_S * 0.6)
    heart.beat(LOST, after_s=LEASE_S * 0.2)
    heart.beat(after_s=LEASE_S * 0.4)
    assert heart.lease.is_held
    assert not heart.lease.is_settled
    heart.beat(after_s=LEASE_S * 0.9)
    assert not heart.lease.is_settled
    heart.beat(after_s=LEASE_S * 0.2)
    assert heart.lease.is_settled


def test_a_lost_key_begins_the_wait_anew(heart):
    heart.start()
    heart.beat(after_s=LEASE_S * 0.6)
    heart.beat(after_s=LEASE_S * 0.6)
    heart.beat(answer=False)
    assert heart.lease.is_held
    assert not heart.lease.is_settled


def test_a_lease_that_ran_out_unrenewed_is_not_settled(heart):
    """A suspended process, or a suspended machine: no beat failed, and yet the others may have been just as late."""
    heart.start()
    heart.beat(after_s=LEASE_S * 0.6)
    heart.beat(after_s=LEASE_S * 0.6)
    heart.now += LEASE_S * 10
    assert not heart.lease.is_held
    assert not heart.lease.is_settled


def test_a_lease_counts_from_before_the_request(heart):
    heart.start()
    heart.request_s = LEASE_S / 2
    heart.beat()
    heart.now += LEASE_S * 0.6
    assert not heart.lease.is_held


def test_an_error_does_not_end_a_lease_that_is_still_running(heart):
    heart.start()
    heart.beat(LOST, after_s=LEASE_S * 0.5)
    assert heart.lease.is_held


def test_chores_are_done_after_a_beat_and_not_after_a_failed_one(heart):
    heart.start()
    heart.beat()
    heart.beat(LOST)
    assert heart.chores == 1


def test_a_failing_chore_does_not_stop_the_beats(heart, caplog):
    heart.start()
    heart.chore = lambda: 1 / 0
    heart.beat()
    heart.beat()
    assert heart.chores == 2
    assert heart.lease.is_held
    assert "ZeroDivisionError" in caplog.text
