"""What a job that succeeds costs in commits. `python -m tests.benchmarks.cost` counts the same in a whole stack."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from orchestration.gate import Gate
from orchestration.storage.records import SqlRecords
from orchestration.submit import Desk, Submission
from orchestration.tasks import register_tasks
from pipeline.job import DEFAULT_TENANT, JobState
from tests.benchmarks.noop import CATALOG, STAGES
from tests.support.bench import Bench
from tests.support.broker import MemoryBroker
from tests.support.tally import COMMIT, Tally


def test_a_job_takes_at_most_one_commit_to_accept_and_two_a_stage(
    records: SqlRecords, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, broker = Bench(CATALOG), MemoryBroker(monkeypatch, CATALOG.stages.values())
    with Tally(tmp_path / "tally") as tally:
        services = replace(bench.services, records=tally.of(records))
        register_tasks(broker.app, CATALOG, lambda: services, Gate())
        desk = Desk(
            catalog=CATALOG,
            records=services.records,
            payloads=services.payloads,
            app=broker.app,
            announcer=bench.announcer,
            clock=bench.clock,
            random=bench.random,
            job_deadline_s=600,
        )
        job = desk.submit(Submission(url="about:blank", pipeline="noop"))
        broker.work(*STAGES)
        commits = Counter(stage or call for _, call, stage, what in tally.counted().elements() if what == COMMIT)
    done = records.job(DEFAULT_TENANT, job.id)
    assert done is not None
    assert done.state is JobState.SUCCEEDED
    assert set(commits) == {"accept", *STAGES}
    assert commits <= Counter({"accept": 1, **dict.fromkeys(STAGES, 2)})
