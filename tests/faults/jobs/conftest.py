"""Every fault meets SQLite and PostgreSQL in `make test-full`; a few of them SQLite before."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.brokers import KINDS, Broker
from tests.support.databases import postgresql_url, sqlite_url
from tests.support.faulty_effects import Model, Web
from tests.support.job_fleet import JobFleet

DATABASES = ("sqlite", "postgresql")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not pytest's: the path of a Unix socket may have about a hundred bytes."""
    with tempfile.TemporaryDirectory(prefix="jobs-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def broker(folder: Path) -> Iterator[Broker]:
    """A Valkey that keeps what it acknowledges, also over a SIGKILL."""
    (folder / "broker").mkdir()
    with Broker(KINDS["valkey"].binary(), folder / "broker") as broker:
        yield broker


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.full)])
def database_url(request: pytest.FixtureRequest, folder: Path) -> str:
    """A database of its own for every test."""
    return sqlite_url(folder) if request.param == "sqlite" else postgresql_url()


@pytest.fixture
def new_fleet(folder: Path, broker: Broker, database_url: str) -> Iterator[Callable[..., JobFleet]]:
    """Makes a fleet whose processes are not started yet; takes settings of Penstock."""
    with ExitStack() as stack:
        web, model = stack.enter_context(Web()), stack.enter_context(Model())
        yield lambda **settings: stack.enter_context(JobFleet(folder, broker, database_url, web, model, **settings))


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str, object], None]:
    """Keeps a figure in the report; `-rP` shows it."""

    def keep(name: str, value: object) -> None:
        record_property(name, value)
        print(f"{name}: {value:.2f}" if isinstance(value, float) else f"{name}: {value}")

    return keep
