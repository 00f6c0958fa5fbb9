"""However many jobs there are, the newest that any one filter means are read along an index, and nothing is sorted."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, text

from orchestration.storage.records import SqlRecords
from pipeline.job import JobState, Lane
from pipeline.ports import JobFilter
from tests.support.crowd import BATCHED, GAP, batch_of, fill
from tests.support.databases import postgresql_url, sqlite_url
from tests.support.jobs import TENANT
from tests.support.tools import START

JOBS = 6000
FILTERS: list[dict[str, Any]] = [
    {},
    *({"states": (state,)} for state in JobState),
    {"states": (JobState.FAILED, JobState.CANCELLED)},
    {"stage": "fetch"},
    {"stage": "store"},
    {"code": "dns_failure"},
    {"code": "no_such_code"},
    *({"pipeline": pipeline} for pipeline in ("extract", "analyze", "none")),
    *({"lane": lane} for lane in Lane),
    *({"tags": tags} for tags in (("common",), ("rare",), ("none",), ("common", "rare"))),
    *({"host": host} for host in ("host-1.example", "rare.example", "none.example")),
    {"created_after": START + JOBS * GAP / 2},
    {"created_before": START + JOBS * GAP / 2},
    {"created_after": START + timedelta(minutes=1), "created_before": START + timedelta(minutes=2)},
    {"states": (JobState.FAILED,), "discarded": False},
    {"url": "host-"},
    {"batch_id": batch_of(BATCHED)},
    {"batch_id": batch_of(BATCHED), "states": (JobState.FAILED,)},
    {"batch_id": batch_of(0)},
]


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.full)])
def crowded(request, tmp_path_factory) -> Iterator[tuple[str, SqlRecords]]:
    url = sqlite_url(tmp_path_factory.mktemp("crowd")) if request.param == "sqlite" else postgresql_url()
    fill(url, JOBS)
    records = SqlRecords(url)
    yield url, records
    records.close()


def asked(records: SqlRecords, where: JobFilter, before: str | None) -> list[tuple[str, Any]]:
    """The statements that one page takes."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            seen.append((statement, values))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        records.jobs(TENANT, where, before=before, limit=50)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return seen


def steps(url: str, statement: str, values: Any) -> list[str]:
    """What the database would do, from the outside in."""
    engine = create_engine(url)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            found = [row.detail for row in plan]
        else:
            plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values).scalar()
            found = list(nodes((plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]))
    engine.dispose()
    return found


def nodes(plan: dict[str, Any]) -> Iterator[str]:
    yield plan["Node Type"]
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


BAD = re.compile(r"SCAN (?!.*INDEX)|TEMP B-TREE|Sort|Seq Scan|Bitmap")


@pytest.mark.parametrize("has_cursor", [False, True], ids=["first page", "next page"])
@pytest.mark.parametrize("where", FILTERS, ids=str)
def test_no_filter_scans_a_table_or_sorts(crowded: tuple[str, SqlRecords], where: Any, has_cursor: bool) -> None:
    url, records = crowded
    middle = records.jobs(TENANT, JobFilter(), before=None, limit=JOBS // 2).last_id if has_cursor else None
    for statement, values in asked(records, JobFilter(**where), middle):
        plan = steps(url, statement, values)
        assert plan
        assert [step for step in plan if BAD.search(step)] == [], (statement, plan)


def test_few_jobs_with_a_url_are_looked_up_and_only_they_are_sorted(crowded: tuple[str, SqlRecords]) -> None:
    url, records = crowded
    found, listed = asked(records, JobFilter(url="rare.example/"), None)
    assert any("ix_job_url" in step or "Index" in step for step in steps(url, *found))
    assert [step for step in steps(url, *found) if BAD.search(step)] == []
    assert not [step for step in steps(url, *listed) if re.search(r"SCAN (?!.*INDEX)|Seq Scan", step)]


def test_a_plan_that_scans_or_sorts_would_be_noticed(crowded: tuple[str, SqlRecords]) -> None:
    url, _ = crowded
    engine = create_engine(url)
    assert any(BAD.search(step) for step in steps(url, "SELECT * FROM job WHERE deadline_at IS NOT NULL", ()))
    assert any(BAD.search(step) for step in steps(url, "SELECT * FROM job ORDER BY deadline_at", ()))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM job")) == JOBS
    engine.dispose()
