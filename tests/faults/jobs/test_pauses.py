"""A paused stage begins nothing, whoever dies meanwhile, and when it is resumed everything is there."""

import signal
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.support.faulty_verdict import judge
from tests.support.job_fleet import JobFleet, Submitted
from tests.support.origin import Reply

pytestmark = [pytest.mark.timeout(300), pytest.mark.full]

KNOWS_WITHIN_S = 2.0
SLACK_S = 0.75
"""Of two processors that the whole fleet shares."""
WATCHED_S = 6.0
"""Longer than a message is put back for, and than a keeper is patient in these fleets."""
TRANSPORTS = ("streams", "lists")


def post(fleet: JobFleet, path: str) -> dict[str, Any]:
    answer = httpx.post(f"{fleet.api_url}{path}", timeout=5, trust_env=False)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def queue(fleet: JobFleet, stage: str = "fetch") -> dict[str, Any]:
    answer = httpx.get(f"{fleet.api_url}/v1/queues", timeout=5, trust_env=False)
    assert answer.status_code == 200, answer.text
    return next(item for item in answer.json()["items"] if item["stage"] == stage)


def claimed(fleet: JobFleet, since: float, stage: str = "fetch") -> list[float]:
    """How long after a moment attempts of a stage began."""
    return [event.at - since for event in fleet.box.events("claimed") if event.stage == stage and event.at > since]


def pause(fleet: JobFleet, stage: str = "fetch") -> float:
    """Pause a stage; returns from when on nothing of it may begin."""
    assert post(fleet, f"/v1/queues/{stage}/pause")["paused"]
    time.sleep(KNOWS_WITHIN_S)
    return time.time()


def watch(fleet: JobFleet, since: float) -> None:
    """Nothing may begin for a while."""
    time.sleep(WATCHED_S)
    assert claimed(fleet, since) == []


def resume(fleet: JobFleet, measured: Callable[[str, object], None]) -> None:
    resumed_at = time.time()
    assert not post(fleet, "/v1/queues/fetch/resume")["paused"]
    fleet.until(lambda: claimed(fleet, resumed_at), within_s=20, what="work after the pause")
    measured("working again after, s", claimed(fleet, resumed_at)[0])
    assert claimed(fleet, resumed_at)[0] <= KNOWS_WITHIN_S + SLACK_S


def end_well(fleet: JobFleet, jobs: list[Submitted]) -> None:
    """Every page was fetched once."""
    assert set(fleet.wait_ended(within_s=60).values()) == {"succeeded"}
    fleet.wait_quiet()
    assert judge(fleet).failures == []
    assert [fleet.web.count(job.token) for job in jobs] == [1] * len(jobs)
    assert queue(fleet)["waiting"] == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_paused_stage_finishes_what_it_runs_and_begins_nothing(transport, new_fleet, measured) -> None:
    fleet = new_fleet(broker_transport=transport).start()
    fleet.web.delay_s = 0.6
    postponed = fleet.accepted(token="tok-postponed")
    fleet.web.when(postponed.token, Reply(503, headers={"Retry-After": "3"}), fleet.web.usual(postponed.token))
    fleet.until(lambda: fleet.box.events("released"), within_s=20, what="a stage that is to be tried again")
    jobs = [fleet.accepted() for _ in range(12)]
    fleet.until(lambda: fleet.web.count(jobs[0].token), within_s=20, what="work to be under way")
    since = pause(fleet)
    begun_after = [0.0, *claimed(fleet, since - KNOWS_WITHIN_S)]
    measured("the last attempt began after, s", begun_after[-1])
    watch(fleet, since)
    seen = queue(fleet)
    assert seen["paused"]
    assert (seen["workers"], seen["running"]) == (1, 0)
    # All but what had begun; the postponed one, too.
    assert 0 < seen["waiting"] <= len(jobs)
    # They are left where they are, not put back again and again.
    assert (seen["delayed"] or 0) <= 2
    assert fleet.web.count(postponed.token) == 1
    resume(fleet, measured)
    end_well(fleet, jobs)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_pause_outlives_workers_api_keeper_and_the_broker_s_memory(transport, new_fleet, measured) -> None:
    fleet = new_fleet(broker_transport=transport).start()
    since = pause(fleet)
    jobs = [fleet.accepted() for _ in range(4)]
    fleet.broker.run("FLUSHALL")
    for child in (*fleet.workers("fetch"), fleet.the("api"), fleet.the("keeper")):
        fleet.hurt(child, signal.SIGKILL, "kill")
        child.wait()
    began_at = time.time()
    fleet.until(lambda: since_began(fleet, began_at) >= {"fetch"}, within_s=40, what="another worker")
    fleet.until(fleet.answers, within_s=40, what="another API")
    jobs += [fleet.accepted() for _ in range(2)]
    fleet.broker.kill()
    fleet.broker.start()
    watch(fleet, since)
    assert queue(fleet)["paused"]
    resume(fleet, measured)
    end_well(fleet, jobs)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_stage_can_be_paused_and_resumed_while_the_broker_is_away(transport, new_fleet) -> None:
    fleet = new_fleet(broker_transport=transport).start()
    jobs = [fleet.accepted()]
    fleet.wait_ended()
    fleet.broker.kill()
    since = pause(fleet)
    fleet.broker.start()
    jobs += [fleet.accepted() for _ in range(3)]
    watch(fleet, since)
    fleet.broker.kill()
    post(fleet, "/v1/queues/fetch/resume")
    time.sleep(KNOWS_WITHIN_S)
    fleet.broker.start()
    end_well(fleet, jobs)


def since_began(fleet: JobFleet, at: float) -> set[str | None]:
    """The stages whose workers became ready since then."""
    ready = {event.pid for event in fleet.box.events("ready") if event.at > at}
    return {child.queue for child in fleet.processes if child.pid in ready}
