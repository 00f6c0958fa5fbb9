"""Column types: moments keep their instant, and the database's clock is the wall clock."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select
from sqlalchemy.exc import StatementError

from orchestration.storage.engine import Database
from orchestration.storage.records import SqlRecords
from orchestration.storage.types import now_s
from tests.support.jobs import TENANT, new_job
from tests.support.tools import START


def test_a_moment_without_a_time_zone_is_refused(records: SqlRecords) -> None:
    with pytest.raises(StatementError, match="has no time zone"):
        records.accept(new_job(created_at=START.replace(tzinfo=None)))


def test_a_moment_of_any_zone_is_kept_in_utc(records: SqlRecords) -> None:
    there = datetime(2026, 7, 1, 1, 30, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    job = new_job(created_at=there)
    records.accept(job)
    read = records.job(TENANT, job.id)
    assert read is not None
    assert (read.created_at, read.created_at.tzinfo) == (there, UTC)


def test_moments_of_different_zones_are_compared_by_instant(records: SqlRecords) -> None:
    east = timezone(timedelta(hours=9))
    records.accept(new_job(deadline_at=datetime(2026, 1, 1, 9, tzinfo=east)))
    assert records.expire(at=datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), limit=5) == 0
    assert records.expire(at=datetime(2026, 1, 1, 0, tzinfo=UTC), limit=5) == 1


def test_the_database_counts_seconds_since_1970(url: str) -> None:
    database = Database(url)
    with database.read() as connection:
        before, answer, after = time.time(), connection.scalar(select(now_s())), time.time()
    assert answer is not None
    assert before - 0.01 <= answer <= after + 0.01
    database.close()
