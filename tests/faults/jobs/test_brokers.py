"""The broker dies, forgets, hangs or is full. Jobs are accepted meanwhile, and all end; nothing is done twice."""

import shutil
import time
from collections.abc import Callable

import pytest

from tests.support.brokers import Broker
from tests.support.faulty_probe import Clients
from tests.support.faulty_verdict import judge
from tests.support.job_fleet import STAGES, JobFleet

pytestmark = [pytest.mark.timeout(400), pytest.mark.full]

CONSUMING_WITHIN_S = 15
RESTORED_WITHIN_S = 60
API_ANSWERS_WITHIN_S = 1.0
SLACK_S = 0.75
"""Of two processors that the whole fleet shares."""


def kill(broker: Broker, out_s: float) -> None:
    """SIGKILL; it starts again on its append-only file."""
    broker.kill()
    time.sleep(out_s)
    broker.start()


def flush(broker: Broker, _out_s: float) -> None:
    broker.run("FLUSHALL")


def restart_empty(broker: Broker, out_s: float) -> None:
    """It comes back on an empty disk."""
    broker.kill()
    shutil.rmtree(broker.folder / "appendonlydir")
    time.sleep(out_s)
    broker.start()


def stop(broker: Broker, out_s: float) -> None:
    """SIGSTOP: connections stay, nobody answers."""
    broker.pause()
    time.sleep(out_s)
    broker.resume()


def fill(broker: Broker, out_s: float) -> None:
    """No memory is left for anything new."""
    broker.run("CONFIG", "SET", "maxmemory", "1")
    time.sleep(out_s)
    broker.run("CONFIG", "SET", "maxmemory", "0")


FAULTS: dict[str, tuple[Callable[[Broker, float], None], float, float]] = {
    "killed": (kill, 3, 10),
    "flushed": (flush, 0, 0),
    "restarted empty": (restart_empty, 3, 10),
    "stopped": (stop, 5, 60),
    "full": (fill, 3, 20),
}
"""How, and for how many seconds in the small form and in the full one."""


def test_jobs_survive_a_broker_that_stops_answering(new_fleet, measured) -> None:
    survive(new_fleet(), "stopped", is_full=False, measured=measured)


@pytest.mark.parametrize("fault", FAULTS)
def test_jobs_survive_the_broker(fault: str, new_fleet, measured) -> None:
    survive(new_fleet(), fault, is_full=True, measured=measured)


def survive(fleet: JobFleet, fault: str, *, is_full: bool, measured) -> None:
    hurt, small_s, full_s = FAULTS[fault]
    fleet.web.delay_s = fleet.model.delay_s = 0.2
    fleet.start(dict.fromkeys(STAGES, 1))
    for _ in range(6):
        fleet.accepted()
    with Clients(fleet, every_s=0.7) as clients:
        fleet.until(lambda: fleet.box.events("completed"), within_s=20, what="work to be under way")
        fleet.box.note("fault", kind="broker", stage="broker", how=fault)
        hurt(fleet.broker, full_s if is_full else small_s)
        back_at = time.time()
        fleet.until(lambda: claimed_since(fleet, back_at), within_s=CONSUMING_WITHIN_S, what="work after the fault")
        measured("consuming again after, s", time.time() - back_at)
        time.sleep(1)
    states = fleet.wait_ended(within_s=RESTORED_WITHIN_S)
    fleet.wait_quiet()
    measured("all restored after, s", time.time() - back_at)
    measured("longest answer of the API, s", clients.longest_answer_s)
    measured("accepted / refused / unanswered", (len(clients.accepted), clients.refused, clients.unanswered))
    assert set(states.values()) == {"succeeded"}
    verdict = judge(fleet)
    assert verdict.failures == []
    assert verdict.duplicate_effects == 0
    assert clients.longest_answer_s <= API_ANSWERS_WITHIN_S + SLACK_S
    assert (clients.refused, clients.unanswered) == (0, 0)


def claimed_since(fleet: JobFleet, at: float) -> bool:
    return any(event.at > at for event in fleet.box.events("claimed"))
