"""A firing and what it submits are one transaction, at whatever step it is cut off."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.storage import records_batches, records_jobs
from orchestration.storage.records import SqlRecords
from pipeline.ports import JobFilter
from tests.support.batches import chunk_of, new_batch
from tests.support.databases import sqlite_url
from tests.support.jobs import TENANT, new_job
from tests.support.schedules import HOUR, new_firing, new_schedule
from tests.support.tools import START


@pytest.fixture
def records(tmp_path: Path) -> Iterator[SqlRecords]:
    records = SqlRecords(sqlite_url(tmp_path))
    yield records
    records.close()


class Killed(BaseException):
    pass


@pytest.mark.parametrize(
    ("module", "step"),
    [(records_jobs, "accept"), (records_batches, "open_batch"), (records_batches, "accept_many")],
)
@pytest.mark.parametrize("is_after", [False, True])
def test_what_is_cut_off_has_recorded_nothing(
    records: SqlRecords, monkeypatch: pytest.MonkeyPatch, module: Any, step: str, is_after: bool
) -> None:
    schedule, job, batch = new_schedule(), new_job(), new_batch()
    records.add_schedule(schedule)
    many = (batch, chunk_of([new_job(batch_id=batch.id, batch_index=0)], is_last=True))
    submitted = job if module is records_jobs else many
    whole = getattr(module, step)

    def cut_off(*args: Any, **named: Any) -> None:
        if is_after:
            whole(*args, **named)
        raise Killed

    monkeypatch.setattr(module, step, cut_off)
    with pytest.raises(Killed):
        records.fire(schedule, new_firing(schedule), submitted, START + 2 * HOUR)
    assert records.schedule(TENANT, schedule.id) == schedule
    assert records.firings(TENANT, schedule.id, before=None, limit=9).items == ()
    assert records.jobs(TENANT, JobFilter(), before=None, limit=9).items == ()
    assert records.batches(TENANT, before=None, limit=9).items == ()
    monkeypatch.undo()
    assert records.fire(schedule, new_firing(schedule), submitted, START + 2 * HOUR)
    assert len(records.jobs(TENANT, JobFilter(), before=None, limit=9).items) == 1
