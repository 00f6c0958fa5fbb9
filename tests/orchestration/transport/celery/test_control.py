"""Remote control, events and counts: the same on the Streams transport as on the stock one."""

import threading
from contextlib import contextmanager
from uuid import uuid4

import pytest

from tests.support.celery_fleet import NARROW, WIDE, WITHIN_S
from tests.support.waiting import until


def test_workers_answer_a_ping(fleet):
    assert fleet.inspect(WIDE, NARROW).ping() == {WIDE: {"ok": "pong"}, NARROW: {"ok": "pong"}}


def test_workers_say_what_they_can_run_and_consume(fleet):
    registered = {name.split()[0] for name in fleet.inspect(WIDE).registered()[WIDE]}
    assert {"add", "hold", "retrying"} <= registered
    assert [queue["name"] for queue in fleet.inspect(WIDE).active_queues()[WIDE]] == ["parity"]


def test_workers_count_what_they_ran(fleet):
    before = ran(fleet, "echo")
    fleet.run("echo", 1)
    assert ran(fleet, "echo") == before + 1


def test_workers_say_which_transport_they_use(fleet):
    named = {"streams": "orchestration.transport:Transport", "lists": "redis"}
    assert fleet.inspect(WIDE).stats()[WIDE]["broker"]["transport"] == named[fleet.variant.transport]


def test_workers_say_what_runs_and_what_they_hold(fleet, label):
    if fleet.variant.pool == "solo":
        pytest.skip("it answers nothing while a task runs")
    result = fleet.send("hold_late", label, queue="narrow")
    fleet.wait_noted(label, 1)
    assert [task["id"] for task in fleet.inspect(NARROW).active()[NARROW]] == [result.id]
    assert fleet.inspect(NARROW).reserved() == {NARROW: []}
    fleet.release(label)
    result.get(timeout=WITHIN_S)


def test_a_queue_is_consumed_once_it_is_added_and_until_it_is_cancelled(fleet, label):
    queue = f"added-{uuid4()}"
    fleet.consume(queue, WIDE)
    assert fleet.run("echo", "here", queue=queue) == "here"
    fleet.tell("cancel_consumer", WIDE, queue=queue)
    kept = fleet.send("echo", "kept", queue=queue)
    assert fleet.run("echo", "passes") == "passes"
    assert fleet.size(queue) == 1
    fleet.consume(queue, WIDE)
    assert kept.get(timeout=WITHIN_S) == "kept"
    fleet.tell("cancel_consumer", WIDE, queue=queue)


def test_a_broadcast_shutdown_ends_a_worker_that_has_mingled(fleet):
    worker = fleet.start_worker("brief@parity", "brief")
    fleet.app.control.shutdown(destination=["brief@parity"])
    assert worker.process.wait(WITHIN_S) == 0


def test_an_event_receiver_sees_the_life_of_a_task(fleet):
    with received_events(fleet.app) as seen:
        result = fleet.send("add", 1, 1)
        until(lambda: len(seen.get(result.id, [])) == 4, within_s=WITHIN_S, what="four events of it")
    # The publisher reports after it has published, so its event may come late.
    by_worker = [event for event in seen[result.id] if event != "task-sent"]
    assert by_worker == ["task-received", "task-started", "task-succeeded"]


def test_a_purge_says_how_many_it_dropped(fleet):
    queue = f"purged-{uuid4()}"
    fleet.app.amqp.queues.select_add(queue)
    for n in range(5):
        fleet.send("echo", n, queue=queue, priority=n)
    assert fleet.size(queue) == 5
    assert fleet.app.control.purge() == 5
    assert fleet.size(queue) == 0
    fleet.app.amqp.queues.deselect(queue)


def ran(fleet, task):
    return fleet.inspect(WIDE).stats()[WIDE]["total"].get(task, 0)


@contextmanager
def received_events(app):
    """The types of the events of each task, as they come; in a thread that has its consumer before the block runs."""
    seen, ready, done = {}, threading.Event(), threading.Event()

    def keep(event):
        ready.set()
        if "uuid" in event:
            seen.setdefault(event["uuid"], []).append(event["type"])

    def receive():
        with app.connection_for_read() as connection:
            receiver = app.events.Receiver(connection, handlers={"*": keep})
            with receiver.consumer_context() as (own, _, _):
                while not done.is_set():
                    try:
                        own.drain_events(timeout=0.2)
                    except TimeoutError:
                        continue

    thread = threading.Thread(target=receive)
    thread.start()
    try:
        with app.events.default_dispatcher() as dispatcher:
            until(lambda: dispatcher.send("probe") or ready.wait(0.1), within_s=WITHIN_S, what="the receiver")
        yield seen
    finally:
        done.set()
        thread.join(WITHIN_S)
