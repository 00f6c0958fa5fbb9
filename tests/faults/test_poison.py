"""A message that kills whoever takes it is set aside, and the queue goes on."""

import pytest
from kombu import Connection

from tests.faults.conftest import Case, only_on_streams
from tests.support.fleet import QUEUE, Fleet

pytestmark = [pytest.mark.timeout(300), only_on_streams, pytest.mark.full]

LIMIT = 3
LEASE_S = 1.5
DEAD_LETTERS = f"{{{QUEUE}}}:dead"


def test_a_task_that_kills_whoever_runs_it_is_set_aside(case: Case, new_fleet) -> None:
    fleet = new_fleet(lease_s=LEASE_S, delivery_limit=LIMIT)
    fleet.start(2, concurrency=case.slots)
    deadly = ["kill_main", "kill_child"] if case.pool == "prefork" else ["kill_main"]
    for number, task in enumerate(deadly, start=1):
        task_id = fleet.publish(task, task)
        wait_set_aside(fleet, number)
        letter = dead_letters(fleet)[-1]
        assert (letter.task_id, letter.count) == (task_id, LIMIT)
        assert letter.reason
        assert len(fleet.effects.starts(task)) == LIMIT
    fleet.wait_drained(besides=DEAD_LETTERS)


def wait_set_aside(fleet: Fleet, number: int) -> None:
    """Return once there are so many dead letters; meanwhile the queue has to serve, with new workers for dead ones."""
    healthy: list[str] = []

    def is_set_aside() -> bool:
        fleet.revive()
        healthy.append(f"healthy-{number}-{len(healthy)}")
        fleet.publish("note", healthy[-1])
        return len(dead_letters(fleet)) == number

    fleet.until(is_set_aside, within_s=LIMIT * (LEASE_S + 5), what="a dead letter")
    fleet.wait_done(healthy, within_s=20)


def dead_letters(fleet: Fleet) -> list:
    from orchestration.transport import Inspector

    connection: Connection
    with fleet.app.connection_for_read() as connection:
        return Inspector(connection).dead_letters(QUEUE)
