"""Both databases, migrated and empty."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.storage.records import SqlRecords
from tests.support.databases import postgresql_url, sqlite_url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.full)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return sqlite_url(tmp_path) if request.param == "sqlite" else postgresql_url()


@pytest.fixture
def records(url: str) -> Iterator[SqlRecords]:
    records = SqlRecords(url)
    yield records
    records.close()
