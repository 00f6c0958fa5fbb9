"""When a task runs, and before which others: the same on the Streams transport as on the stock one."""

import time
from datetime import UTC, datetime, timedelta

from tests.support.celery_fleet import NARROW, WIDE, WITHIN_S
from tests.support.waiting import until

WAIT_S = 0.6
LATE_S = 2.0
"""How far behind its time a task may start on a loaded machine."""


def test_a_countdown_is_not_cut_short(fleet, label):
    due = time.time() + WAIT_S
    fleet.send("note_time", label, countdown=WAIT_S)
    ran = float(fleet.wait_noted(label, 1)[0])
    assert due <= ran < due + LATE_S


def test_an_eta_is_not_cut_short(fleet, label):
    due = datetime.now(UTC) + timedelta(seconds=WAIT_S)
    fleet.send("note_time", label, eta=due)
    ran = float(fleet.wait_noted(label, 1)[0])
    assert due.timestamp() <= ran < due.timestamp() + LATE_S


def test_what_is_delayed_lets_others_pass(fleet, label):
    delayed = fleet.send("note", label, "delayed", queue="narrow", countdown=WAIT_S)
    fleet.send("note", label, "not", queue="narrow")
    delayed.get(timeout=WITHIN_S)
    assert fleet.noted(label) == ["not", "delayed"]


def test_what_is_delayed_waits_in_redis_and_not_in_a_worker(fleet, label):
    if fleet.variant.transport == "lists":
        return  # which hands it to a worker at once
    result = fleet.send("note_time", label, countdown=WAIT_S)
    assert fleet.delayed("parity") == 1
    assert fleet.inspect(WIDE, NARROW).scheduled() == {WIDE: [], NARROW: []}
    result.get(timeout=WITHIN_S)
    assert fleet.delayed("parity") == 0


def test_the_urgent_go_first_and_equals_in_turn(fleet, label):
    with fleet.held_back() as queue:
        for turn, priority in enumerate([9, 3, 6, 0, 9, 0, 6, 3, 0]):
            fleet.send("note", label, f"{priority} {turn}", queue=queue, priority=priority)
    noted = fleet.wait_noted(label, 9)
    assert noted == sorted(noted)


def test_the_priority_between_two_steps_is_that_of_the_lower_number(fleet, label):
    with fleet.held_back() as queue:
        fleet.send("note", label, "5", queue=queue, priority=5)
        fleet.send("note", label, "4", queue=queue, priority=4)
        fleet.send("note", label, "6", queue=queue, priority=6)
        fleet.send("note", label, "2", queue=queue, priority=2)
    assert fleet.wait_noted(label, 4) == ["2", "5", "4", "6"]


def test_a_rate_limit_is_kept(fleet, label):
    calls, per_s = 8, 5
    for _ in range(calls):
        fleet.send("note_time_rated", label, queue="narrow")
    times = [float(noted) for noted in fleet.wait_noted(label, calls)]
    assert times[-1] - times[0] >= (calls - 1) / per_s * 0.9
    until(lambda: fleet.unacked("narrow") == 0, within_s=WITHIN_S, what="the last acknowledgement")
