"""The keeper clears away the jobs of batches that were cancelled."""

import pytest

from orchestration.batches import BatchWork
from pipeline.job import JobState
from tests.support.batches import admitted, full_batch
from tests.support.jobs import STAGES
from tests.support.runs import RunOffice


def test_a_cancelled_batch_is_cleared_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.batches.CANCELS_PER_TURN", 1)
    office = RunOffice(monkeypatch)
    work = BatchWork(office.records, office.announcer, office.clock)
    batch, jobs = full_batch(office.records.inner, 20)
    admitted(office.records.inner, batch, 3)
    office.world.do(jobs[0], *STAGES)
    office.records.inner.cancel_batch(batch.tenant_id, batch.id, office.clock.now())
    assert [work.turn() for _ in range(5)] == [18, 1, 0, 0, 0]
    assert {office.world.read(job).state for job in jobs[1:]} == {JobState.CANCELLED}
    assert [event.kind for event in office.announcer.told] == ["job.cancelled"] * 19
    assert office.records.inner.cancelling_batches() == []
