"""The payload store is full, slow, or does not have what it was given."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.faulty_effects import article
from tests.support.faulty_verdict import judge
from tests.support.job_fleet import STAGES, JobFleet, Submitted

pytestmark = [pytest.mark.timeout(300), pytest.mark.full]

DAMAGE: dict[str, Callable[[Path], object]] = {
    "corrupt": lambda path: path.write_bytes(path.read_bytes()[:-8] + b"damaged!"),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:20]),
    "empty": lambda path: path.write_bytes(b""),
    "missing": lambda path: path.unlink(),
}


def test_a_full_disk_delays_jobs_and_spends_nothing(new_fleet) -> None:
    fleet = new_fleet().start()
    fleet.box.turn("payloads_full", 1)
    job = fleet.accepted()
    # Content has to be stored before its job is accepted.
    assert fleet.submit(html=article("tok-content")) is None
    assert fleet.told.refused == 1
    fleet.until(lambda: len(fleet.box.events("released")) > 1, within_s=30, what="two vain attempts")
    fleet.box.turn("payloads_full", None)
    assert fleet.wait_ended([job], within_s=30)[job.id] == "succeeded"
    assert fleet.view(job)["stages"][0]["attempts"] == 1
    assert all(event.more["code"] == "storage_unavailable" for event in fleet.box.events("released"))
    fleet.wait_quiet()
    assert judge(fleet).failures == []


def test_a_slow_store_costs_time_and_nothing_else(new_fleet) -> None:
    fleet = new_fleet().start()
    fleet.box.turn("payloads_delay_s", 2)
    jobs = [fleet.accepted() for _ in range(2)]
    assert set(fleet.wait_ended(jobs, within_s=90).values()) == {"succeeded"}
    fleet.wait_quiet()
    verdict = judge(fleet)
    assert verdict.failures == []
    assert (verdict.attempts_lost, verdict.duplicate_effects) == (0, 0)


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("reader", STAGES[1:])
def test_a_lost_output_is_made_again_once(how: str, reader: str, new_fleet) -> None:
    """The stage that wrote it runs again, and the job ends well."""
    fleet = new_fleet().start({stage: 1 for stage in STAGES if stage != reader})
    job = fleet.accepted()
    writer = STAGES[STAGES.index(reader) - 1]
    path = fleet.until(lambda: output_of(fleet, job, writer), within_s=30, what="the output")
    DAMAGE[how](path)
    fleet.wait_ready(fleet.spawn("worker", reader))
    state = fleet.wait_ended([job], within_s=60)[job.id]
    assert state == "succeeded", fleet.view(job)["error"]
    assert [event.stage for event in fleet.box.events("returned")] == [reader]
    fleet.wait_quiet()
    verdict = judge(fleet)
    assert verdict.failures == []
    assert verdict.unattributed_duplicates == 0


def test_lost_content_fails_its_job_with_a_reason(new_fleet) -> None:
    """Nobody can make it again but the client."""
    fleet = new_fleet().start({stage: 1 for stage in STAGES if stage != "fetch"})
    job = fleet.accepted(html=article("tok-lost"))
    [path] = (path for path in fleet.payloads.rglob(f"*/{job.id}/**/source*") if path.is_file())
    path.unlink()
    fleet.spawn("worker", "fetch")
    assert fleet.wait_ended([job], within_s=30)[job.id] == "failed"
    assert fleet.view(job)["error"]["code"] == "payload_missing"


def output_of(fleet: JobFleet, job: Submitted, stage: str) -> Path | None:
    """The file, once the stage has succeeded."""
    if fleet.stage_state(job, stage) != "succeeded":
        return None
    time.sleep(0.2)  # for the message to the next stage
    [path] = (path for path in fleet.payloads.rglob(f"*/{job.id}/**/{stage}*") if path.is_file())
    return path
