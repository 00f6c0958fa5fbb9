"""Processes end, by SIGKILL and by SIGTERM, while there is work to do."""

import os
import signal
import time
from dataclasses import replace
from random import Random

import psutil
import pytest

from tests.support.faulty_box import STOP, Event
from tests.support.faulty_effects import article
from tests.support.faulty_verdict import judge
from tests.support.job_fleet import STAGES, JobFleet
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(400)

API_BOUND_S = 30


def test_jobs_survive_sigterm_under_load(new_fleet, measured) -> None:
    """What runs is finished, what does not is handed back: nothing is done twice."""
    rolling_restarts(new_fleet(), rounds=1, jobs=6, measured=measured)


@pytest.mark.full
def test_jobs_survive_rolling_restarts_under_load(new_fleet, measured) -> None:
    rolling_restarts(new_fleet(), rounds=5, jobs=40, measured=measured)


def rolling_restarts(fleet: JobFleet, *, rounds: int, jobs: int, measured) -> None:
    fleet.web.delay_s = fleet.model.delay_s = 0.3
    fleet.start(dict.fromkeys(STAGES, 2))
    accepted = [fleet.accepted() for _ in range(jobs)]
    statuses = []
    for _ in range(rounds):
        for stage in STAGES:
            child = fleet.workers(stage)[0]
            fleet.hurt(child, signal.SIGTERM, "sigterm")
            statuses.append(child.wait())
            until(lambda stage=stage: len(fleet.workers(stage)) == 2, within_s=10, what="another worker")
            fleet.wait_ready()
    assert set(statuses) == {0}
    assert set(fleet.wait_ended(accepted, within_s=120).values()) == {"succeeded"}
    fleet.wait_quiet()
    verdict = judge(fleet)
    assert verdict.failures == []
    assert (verdict.lost, verdict.duplicate_effects, verdict.attempts_lost) == (0, 0, 0)
    measured("SIGTERMs", len(statuses))


@pytest.mark.full
def test_jobs_survive_kills_at_random_moments(new_fleet, measured) -> None:
    fleet = new_fleet()
    fleet.web.delay_s = fleet.model.delay_s = 0.3
    fleet.start(dict.fromkeys(STAGES, 2))
    random = Random(1)
    accepted = [fleet.accepted() for _ in range(40)]
    for _ in range(16):
        time.sleep(random.uniform(0.2, 1.5))  # The moment is the fault.
        if victims := [child for child in fleet.processes if child.role == "worker" and child.is_running]:
            fleet.hurt(random.choice(victims), signal.SIGKILL, "kill")
    # The third worker that dies on one stage gives it up, as it should.
    fleet.wait_ended(accepted, within_s=180)
    fleet.wait_quiet()
    verdict = judge(fleet, recovered_within_s=20, may_fail={"worker_lost"})
    assert verdict.failures == []
    measured("duplicates per kill", verdict.duplicates_per_kill)
    measured("longest recovery, s", verdict.longest_recovery_s)


@pytest.mark.full
def test_a_killed_parsing_child_is_replaced_and_its_worker_lives_on(new_fleet) -> None:
    fleet = new_fleet(parse_timeout_s=20).start()
    worker = fleet.workers("extract")[0]
    job = fleet.accepted(html=article("tok-slow", "poison:loop"), pipeline="extract")
    child = until(lambda: busy_child(worker.pid), within_s=20, what="a child that parses")
    fleet.box.note("fault", kind="parsing child", stage="extract", pid=child.pid)
    os.kill(child.pid, signal.SIGKILL)
    released = fleet.until(lambda: fleet.box.events("released"), within_s=10, what="the attempt to end")
    assert released[0].more["code"] == "parse_crashed"
    fleet.cancel(job)

    other = fleet.accepted(html=article("tok-other"), pipeline="extract")
    assert set(fleet.wait_ended([other]).values()) == {"succeeded"}
    fleet.wait_quiet()
    assert judge(fleet).failures == []
    assert fleet.workers("extract") == [worker]


def busy_child(worker_pid: int) -> psutil.Process | None:
    """The descendant that burns the processor."""
    children = psutil.Process(worker_pid).children(recursive=True)
    before = {child.pid: child.cpu_times().user for child in children}
    time.sleep(0.3)
    busy = [child for child in children if child.is_running() and child.cpu_times().user - before[child.pid] > 0.1]
    return busy[0] if busy else None


@pytest.mark.full
def test_a_job_that_was_committed_and_not_published_starts_nevertheless(new_fleet, measured) -> None:
    """The API dies in between; whoever asked never got an answer."""
    fleet = new_fleet().start()
    fleet.box.arm("accepted", "api")
    assert fleet.submit() is None
    killed = fleet.until(fleet.faults, within_s=5, what="the end of the API")[0]
    began = fleet.until(lambda: fleet.box.events("claimed"), within_s=API_BOUND_S, what="the job to start")[0]
    assert began.job == killed.job
    measured("started after, s", began.at - killed.at)
    fleet.until(fleet.answers, within_s=20, what="the API to be back")
    assert fleet.wait_ended() == {killed.job: "succeeded"}
    fleet.wait_quiet()
    assert judge(fleet, recovered_within_s=API_BOUND_S).failures == []


@pytest.mark.full
def test_jobs_run_on_without_a_keeper_and_it_comes_back(new_fleet) -> None:
    fleet = new_fleet().start()
    for _ in range(3):
        fleet.hurt(fleet.the("keeper"), signal.SIGKILL, "keeper")
        assert set(fleet.wait_ended([fleet.accepted()]).values()) == {"succeeded"}
        fleet.until(lambda: any(c.role == "keeper" for c in fleet.processes), within_s=10, what="a keeper")
    fleet.wait_quiet()
    assert judge(fleet).failures == []


@pytest.mark.full
@pytest.mark.parametrize("stage", STAGES)
def test_a_worker_stopped_past_its_leases_cannot_overwrite_its_successor(stage: str, new_fleet, measured) -> None:
    fleet = new_fleet().start({**dict.fromkeys(STAGES, 1), stage: 2})
    # It has its output and will record it as soon as it wakes up.
    fleet.box.arm("payload_written", stage, what=STOP)
    job = fleet.accepted()
    stop = fleet.until(fleet.faults, within_s=20, what="the stop")[0]
    assert fleet.wait_ended([job], within_s=30)[job.id] == "succeeded"
    measured("done by another after, s", time.time() - stop.at)
    view = fleet.view(job)
    [stopped_at] = [record for record in view["stages"] if record["name"] == stage]

    os.kill(stop.pid, signal.SIGCONT)
    refused = fleet.until(lambda: refused_writes(fleet), within_s=10, what="the stale write")
    assert [(event.job, event.stage, event.pid) for event in refused] == [(job.id, stage, stop.pid)]
    # The refusal is counted, and that is all that changes.
    stopped_at["stale_writes"] += 1
    assert fleet.view(job) == view
    fleet.wait_quiet()
    verdict = judge(fleet, duplicates_per_kill=None)
    assert verdict.failures == []
    assert (verdict.attempts_lost, verdict.stale_writes_rejected) == (1, 1)
    others = [fleet.accepted() for _ in range(4)]
    assert set(fleet.wait_ended(others).values()) == {"succeeded"}


@pytest.mark.full
def test_a_late_redelivery_takes_no_work_from_a_worker_that_lives(new_fleet) -> None:
    """The keeper replaced the dead worker first, by a new message; then the transport delivers the old one again."""
    fleet = new_fleet(fetch_read_timeout_s=15, fetch_total_timeout_s=20).start({**dict.fromkeys(STAGES, 1), "fetch": 3})
    fleet.web.when("tok-long", replace(fleet.web.usual("tok-long"), delay_s=8))
    fleet.box.arm("before_effect", "fetch")
    job = fleet.accepted(token="tok-long")
    assert fleet.wait_ended([job], within_s=60)[job.id] == "succeeded"
    fleet.wait_quiet()
    verdict = judge(fleet, duplicates_per_kill=None)
    claims = [(event.pid, event.more["epoch"]) for event in fleet.box.events("claimed") if event.stage == "fetch"]
    assert len(claims) == 2, claims
    assert (verdict.attempts_lost, verdict.stale_writes_rejected, fleet.web.count("tok-long")) == (1, 0, 1)
    assert verdict.failures == []


def refused_writes(fleet: JobFleet) -> list[Event]:
    return [event for event in fleet.box.events("completed") if not event.more["kept"]]
