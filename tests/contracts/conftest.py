"""The adapters that each contract is run over."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from orchestration.storage.payload_folder import PayloadFolder
from orchestration.storage.records import SqlRecords
from pipeline.memory import MemoryPayloads, MemoryRecords
from pipeline.ports import Payloads
from tests.support.databases import erase_jobs, postgresql_url, sqlite_url
from tests.support.jobs import World, move_into_the_past
from tests.support.tools import ManualClock


@pytest.fixture(scope="session")
def postgresql() -> Iterator[tuple[str, SqlRecords]]:
    url = postgresql_url()
    records = SqlRecords(url)
    yield url, records
    records.close()


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.full)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Empty records of each kind."""
    match request.param:
        case "memory":
            clock = ManualClock()
            yield World(MemoryRecords(clock), clock.advance)
        case "sqlite":
            url = sqlite_url(request.getfixturevalue("tmp_path"))
            records = SqlRecords(url)
            yield World(records, partial(move_into_the_past, url))
            records.close()
        case _:
            url, records = request.getfixturevalue("postgresql")
            erase_jobs(url)
            yield World(records, partial(move_into_the_past, url))


@pytest.fixture(params=["memory", "folder"])
def payloads(request: pytest.FixtureRequest, tmp_path: Path) -> Payloads:
    return MemoryPayloads() if request.param == "memory" else PayloadFolder(tmp_path / "payloads")
