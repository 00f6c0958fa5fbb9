from itertools import count

import pytest

from orchestration.streams.window import Told, Window

numbers = count(1)


def told(job_id="a", event="stage.started", run=1):
    return Told((next(numbers), 0), "default", job_id, run, event, "{}")


def window_of(*events, size=100):
    window = Window(size)
    for event in events:
        window.append(event)
    return window


def test_the_events_of_a_job_are_found_among_those_of_others():
    mine = [told("a"), told("a")]
    window = window_of(mine[0], told("b"), mine[1])
    assert list(window.of_job("a", window.first)) == mine
    assert list(window.of_job("a", 1)) == mine[1:]
    assert list(window.of_job("c", 0)) == []


def test_the_oldest_are_forgotten_and_numbers_stay():
    events = [told("ab"[n % 2]) for n in range(10)]
    window = window_of(*events, size=4)
    assert (window.first, window.next) == (6, 10)
    assert list(window.all(0)) == events[6:]
    assert list(window.all(8)) == events[8:]
    assert list(window.of_job("a", 0)) == [events[6], events[8]]


def test_what_is_kept_of_jobs_is_bounded():
    window = window_of(*(told(str(n)) for n in range(1000)), size=10)
    assert len(window._of_job) == 10


def test_it_reaches_as_far_back_as_nothing_is_missing():
    events = [told() for _ in range(6)]
    window = window_of(*events, size=4)
    assert [window.reaches(event.id) for event in events] == [False, True, True, True, True, True]
    assert not window.reaches((10**15, 0)), "an id from before the server lost its memory"
    assert not Window(4).reaches(events[0].id)


def test_what_came_before_the_first_that_was_read_is_unknown():
    first = told()
    window = window_of(first)
    assert not window.reaches((first.id[0] - 1, 0))
    assert window.reaches(first.id)


@pytest.mark.parametrize("seen", [0, 2, 5])
def test_one_goes_on_after_what_was_seen(seen):
    before, *events = [told() for _ in range(7)]
    window = window_of(before, *events)
    assert list(window.all(window.after(events[seen].id))) == events[seen + 1 :]


def test_a_job_is_told_whole_while_its_beginning_is_kept():
    window = window_of(told("a", "job.queued"), told("a"), told("b"), size=3)
    assert window.tells_all_of("a")
    assert not window.tells_all_of("b")
    assert not window.tells_all_of("c")
    window.append(told("c", "job.queued"))
    assert not window.tells_all_of("a")


def test_after_a_gap_nothing_is_known():
    events = [told("a", "job.queued"), told("a")]
    window = window_of(*events)
    window.clear()
    assert not window.reaches(events[-1].id)
    assert not window.tells_all_of("a")
    assert window.first == window.next == 2
