"""SIGTERM while there is work ahead: what is running is finished, what was only taken is handed back at once."""

import pytest

from tests.faults.conftest import Case

pytestmark = [pytest.mark.timeout(180), pytest.mark.full]

LEASE_S = 60
"""So long that nothing in here can wait for it."""
MULTIPLIER = 4


def test_a_stopped_worker_hands_back_what_it_has_not_begun(case: Case, new_fleet, measured) -> None:
    fleet = new_fleet(lease_s=LEASE_S)
    [leaving] = fleet.start(1, concurrency=case.slots, prefetch=MULTIPLIER)
    tokens = [f"note-{number}" for number in range(2 * MULTIPLIER * case.slots)]
    for token in tokens:
        fleet.publish("note", token, sleep_s=0.5)
    fleet.until(lambda: fleet.effects.starts(tokens[0]), within_s=10, what="the first start")
    [staying] = fleet.start(1, concurrency=case.slots, prefetch=MULTIPLIER)

    leaving.stop()
    stopped_at = fleet.now()
    fleet.wait_done(tokens, within_s=LEASE_S / 3)
    fleet.wait_drained()
    measured("all done after the stop in s", fleet.now() - stopped_at)
    assert fleet.effects.started_again() == {}
    assert {start.main_pid for token in tokens for start in fleet.effects.starts(token)} == {leaving.pid, staying.pid}
