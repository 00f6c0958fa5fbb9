"""How a task ends, and what becomes of its message: the same on the Streams transport as on the stock one."""

from itertools import pairwise

import pytest
from celery import states
from celery.exceptions import TaskRevokedError

from tests.support.celery_fleet import WITHIN_S
from tests.support.waiting import until

COUNTDOWN_S = 0.3
TIMER_SLACK_S = 0.05
"""The worker's clock of the retry and ours of the note are read a moment apart."""


def test_a_retry_waits_its_countdown_and_counts(fleet, label):
    assert fleet.run("retrying", label, 2, COUNTDOWN_S) == 2
    retries, times = zip(*(map(float, note.split()) for note in fleet.noted(label)), strict=True)
    assert retries == (0, 1, 2)
    assert all(later - sooner >= COUNTDOWN_S - TIMER_SLACK_S for sooner, later in pairwise(times))


def test_what_is_rejected_with_requeue_runs_again_and_says_so(fleet, label):
    assert fleet.run("rejecting", label, True) is True
    assert fleet.noted(label) == ["ran", "ran"]


def test_what_is_rejected_without_requeue_does_not_run_again(fleet, label):
    fleet.send("rejecting", label, False, queue="narrow")
    fleet.wait_noted(label, 1)
    until(lambda: is_empty(fleet, "narrow"), within_s=WITHIN_S, what="its message to be gone")
    fleet.run("add", 1, 1, queue="narrow")  # would come after anything that was put back
    assert fleet.noted(label) == ["ran"]


def test_what_is_ignored_leaves_no_state_and_no_message(fleet, label):
    result = fleet.send("ignoring", label, queue="narrow")
    fleet.wait_noted(label, 1)
    until(lambda: is_empty(fleet, "narrow"), within_s=WITHIN_S, what="its message to be gone")
    assert fleet.noted(label) == ["ran"]
    assert result.state == states.PENDING


def test_an_ignored_result_is_not_stored(fleet, label):
    result = fleet.send("note_silently", label)
    fleet.wait_noted(label, 1)
    fleet.run("add", 1, 1)
    assert result.state == states.PENDING


def test_an_early_acknowledgement_comes_before_the_end(fleet, label):
    if fleet.variant.pool == "solo":
        pytest.skip("the loop that acknowledges waits for the task")
    result = fleet.send("hold", label, queue="narrow")
    fleet.wait_noted(label, 1)
    until(lambda: is_empty(fleet, "narrow"), within_s=WITHIN_S, what="the acknowledgement")
    fleet.release(label)
    result.get(timeout=WITHIN_S)


def test_a_late_acknowledgement_comes_after_the_end(fleet, label):
    result = fleet.send("hold_late", label, queue="narrow")
    fleet.wait_noted(label, 1)
    assert fleet.unacked("narrow") == 1
    fleet.release(label)
    result.get(timeout=WITHIN_S)
    until(lambda: is_empty(fleet, "narrow"), within_s=WITHIN_S, what="the acknowledgement")


def test_what_has_expired_is_not_run(fleet, label):
    with fleet.held_back() as queue:
        late = fleet.send("note", label, "expired", queue=queue, expires=0.01)
        in_time = fleet.send("note", label, "in time", queue=queue, expires=60)
    in_time.get(timeout=WITHIN_S)
    with pytest.raises(TaskRevokedError):
        late.get(timeout=WITHIN_S)
    assert fleet.noted(label) == ["in time"]


def test_what_is_revoked_before_it_starts_is_not_run(fleet, label):
    with fleet.held_back() as queue:
        revoked = fleet.send("note", label, "revoked", queue=queue)
        other = fleet.send("note", label, "other", queue=queue)
        fleet.tell("revoke", task_id=revoked.id)
    other.get(timeout=WITHIN_S)
    with pytest.raises(TaskRevokedError):
        revoked.get(timeout=WITHIN_S)
    assert fleet.noted(label) == ["other"]


def test_what_is_revoked_while_it_waits_for_its_time_is_not_run(fleet, label):
    result = fleet.send("note", label, "revoked", countdown=0.6)
    fleet.tell("revoke", task_id=result.id)
    with pytest.raises(TaskRevokedError):
        result.get(timeout=WITHIN_S)
    assert fleet.noted(label) == []


def is_empty(fleet, queue):
    return fleet.size(queue) == 0 and fleet.unacked(queue) == 0
