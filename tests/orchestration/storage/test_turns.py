"""Turns: who asked first comes first, and no place is lost."""

import threading
import time
from random import Random

import pytest

from orchestration.storage.turns import Turns
from pipeline.errors import RecordsUnavailable
from tests.support.waiting import until


def soon(seconds: float = 20) -> float:
    return time.monotonic() + seconds


def in_line(turns: Turns, number: int) -> None:
    until(lambda: len(turns._line) == number, within_s=10, what=f"{number} threads to wait")


def assert_all_free(turns: Turns, places: int) -> None:
    assert (turns._free, len(turns._line)) == (places, 0)


def test_places_are_given_in_the_order_in_which_they_were_asked_for() -> None:
    turns, served = Turns(1), []

    def serve(name: int) -> None:
        with turns.turn(soon()):
            served.append(name)

    threads = [threading.Thread(target=serve, args=(name,)) for name in range(5)]
    with turns.turn(soon()):
        for number, thread in enumerate(threads, 1):
            thread.start()
            in_line(turns, number)
    with turns.turn(soon()):
        assert served == [0, 1, 2, 3, 4]
    for thread in threads:
        thread.join(10)
    assert_all_free(turns, 1)


def test_as_many_have_a_turn_at_once_as_there_are_places() -> None:
    turns = Turns(2)
    with turns.turn(soon()), turns.turn(soon()):
        with pytest.raises(RecordsUnavailable), turns.turn(soon(0.05)):
            pass
        assert_all_free(turns, 0)
    assert_all_free(turns, 2)


def test_whoever_gives_up_leaves_the_line() -> None:
    turns = Turns(1)
    with turns.turn(soon()):
        for late_s in (-1.0, 0.0, 0.05):
            began_s = time.monotonic()
            with pytest.raises(RecordsUnavailable, match="in use"), turns.turn(soon(late_s)):
                pass
            assert time.monotonic() - began_s < 1
        assert len(turns._line) == 0
    assert_all_free(turns, 1)


def test_a_turn_ends_with_its_block_however_that_ends() -> None:
    turns = Turns(1)
    with pytest.raises(KeyError), turns.turn(soon()):
        raise KeyError
    assert_all_free(turns, 1)


def test_no_place_is_lost_to_those_who_give_up_as_it_is_handed_over() -> None:
    turns, places, inside, most = Turns(3), 3, 0, 0
    counting = threading.Lock()

    def come_and_go(seed: int) -> None:
        nonlocal inside, most
        random = Random(seed)
        for _ in range(200):
            try:
                with turns.turn(soon(random.uniform(0, 0.002))):
                    with counting:
                        inside += 1
                        most = max(most, inside)
                    time.sleep(random.uniform(0, 0.002))
                    with counting:
                        inside -= 1
            except RecordsUnavailable:
                continue

    threads = [threading.Thread(target=come_and_go, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == places
    assert_all_free(turns, places)
