"""What this process holds."""

import gc
import threading
from itertools import chain

import pytest

from orchestration.transport.ledger import Ledger


class Message:
    """Something that can be dropped."""


@pytest.fixture
def ledger():
    return Ledger()


def test_what_is_held_counts_and_is_known(ledger):
    message = Message()
    ledger.hold("a", message)
    assert len(ledger) == 1
    assert "a" in ledger
    assert not ledger.has_returns
    del message


@pytest.mark.parametrize("settle", ["ack", "fail"])
def test_what_is_settled_counts_no_more_but_is_known_until_the_server_heard_of_it(ledger, settle):
    message = Message()
    ledger.hold("a", message)
    getattr(ledger, settle)("a")
    assert len(ledger) == 0
    assert "a" in ledger
    assert (ledger.take_acks(), ledger.take_failed()) == ((["a"], []) if settle == "ack" else ([], ["a"]))
    assert "a" not in ledger


def test_a_message_that_is_collected_unsettled_was_dropped(ledger):
    message = Message()
    ledger.hold("a", message)
    del message
    gc.collect()
    assert len(ledger) == 0
    assert ledger.has_returns
    assert ledger.take_dropped() == ["a"]
    assert not ledger.has_returns


@pytest.mark.parametrize("settle", ["ack", "fail"])
def test_a_message_that_is_collected_after_it_was_settled_was_not_dropped(ledger, settle):
    message = Message()
    ledger.hold("a", message)
    getattr(ledger, settle)("a")
    del message
    gc.collect()
    assert ledger.take_dropped() == []


def test_the_end_of_the_process_drops_what_is_held_once(ledger):
    kept, settled = Message(), Message()
    ledger.hold("kept", kept)
    ledger.hold("settled", settled)
    ledger.ack("settled")
    ledger.drop_all()
    del kept
    gc.collect()
    assert ledger.take_dropped() == ["kept"]
    assert ledger.take_acks() == ["settled"]


def test_what_is_no_message_is_known_until_the_server_heard_of_it(ledger):
    ledger.set_aside("a")
    assert "a" in ledger
    assert ledger.has_returns
    assert ledger.take_alien() == ["a"]
    assert not ledger.has_returns


@pytest.mark.parametrize("kind", ["acks", "dropped", "failed", "alien"])
def test_what_is_put_back_is_taken_again(ledger, kind):
    getattr(ledger, f"put_back_{kind}")(["a", "b"])
    assert "a" in ledger
    assert getattr(ledger, f"take_{kind}")() == ["a", "b"]
    assert getattr(ledger, f"take_{kind}")() == []


def test_threads_settle_while_others_take_and_nothing_is_lost_or_doubled(ledger):
    tags = [[f"{thread}-{number}" for number in range(2000)] for thread in range(3)]
    threads = [threading.Thread(target=lambda mine=mine: [ledger.ack(tag) for tag in mine]) for mine in tags]
    for thread in threads:
        thread.start()
    taken = []
    while any(thread.is_alive() for thread in threads):
        taken += ledger.take_acks()
    taken += ledger.take_acks()
    assert sorted(taken) == sorted(chain.from_iterable(tags))
