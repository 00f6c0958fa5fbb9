"""Tasks that lead to tasks: the same on the Streams transport as on the stock one."""

import pytest
from celery import chain, chord, group
from celery.exceptions import ChordError

from tests.support.celery_fleet import WITHIN_S
from tests.support.waiting import until


@pytest.fixture
def tasks(fleet):
    return fleet.app.tasks


def test_a_chord_calls_back_with_all_results(tasks):
    result = chord([tasks["add"].s(n, n) for n in range(6)], tasks["total"].s())()
    assert result.get(timeout=WITHIN_S) == 30


def test_a_chord_that_fails_in_its_header_calls_its_errback(fleet, tasks, label):
    body = tasks["total"].s().on_error(tasks["note_error"].s(label=label))
    result = chord([tasks["add"].s(1, 1), tasks["fail"].s()], body)()
    until(result.failed, within_s=WITHIN_S, what="the chord to fail")
    assert isinstance(result.result, ChordError)
    assert "as asked" in fleet.wait_noted(label, 1)[0]


def test_a_chord_s_callback_has_a_callback(fleet, tasks, label):
    body = tasks["total"].s()
    body.link(tasks["note_result"].s(label=label))
    chord([tasks["add"].s(1, 1), tasks["add"].s(2, 2)], body)()
    assert fleet.wait_noted(label, 1) == ["6"]


def test_a_group_gathers_results_in_order(tasks):
    result = group(tasks["add"].s(n, 1) for n in range(8))()
    assert result.get(timeout=WITHIN_S) == list(range(1, 9))


def test_a_chain_of_groups_passes_results_on(tasks):
    canvas = chain(
        group(tasks["add"].s(1, 1), tasks["add"].s(2, 2)),
        group(tasks["total"].s(), tasks["total"].s()),
        tasks["total"].s(),
    )
    assert canvas().get(timeout=WITHIN_S) == 12


def test_a_chain_runs_in_order(tasks):
    assert chain(tasks["add"].s(1, 1), tasks["add"].s(10), tasks["echo"].s())().get(timeout=WITHIN_S) == 12


def test_a_task_replaces_itself_with_another(fleet):
    assert fleet.run("replacing", 1) == 101


def test_a_chain_goes_on_from_what_replaced_its_task(tasks):
    assert chain(tasks["replacing"].s(1), tasks["add"].s(1000))().get(timeout=WITHIN_S) == 1101


def test_a_linked_task_gets_the_result(fleet, tasks, label):
    fleet.send("add", 2, 2, link=tasks["note_result"].s(label=label))
    assert fleet.wait_noted(label, 1) == ["4"]


def test_a_linked_errback_gets_the_error(fleet, tasks, label):
    fleet.send("fail", link_error=tasks["note_error"].s(label=label))
    assert fleet.wait_noted(label, 1) == ["as asked"]
