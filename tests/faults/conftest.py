"""Every fault meets every pool on every server in `make test-full`; a few of them, in small, threads on Valkey before.

`FLEET_TRANSPORT=lists` runs them on kombu's own Redis transport, for comparison: there, most of them fail.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from tests.support.brokers import KINDS, Broker
from tests.support.fleet import Fleet

POOLS = ("threads", "prefork", "solo")
TRANSPORT = os.environ.get("FLEET_TRANSPORT", "streams")

T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """What a fault meets."""

    pool: str
    server: str
    is_full: bool

    def __str__(self) -> str:
        return f"{self.pool}-{self.server}{'' if self.is_full else '-small'}"

    def size(self, small: T, full: T) -> T:
        """How much of something."""
        return full if self.is_full else small

    @property
    def slots(self) -> int:
        """How many tasks a worker runs at once."""
        return 1 if self.pool == "solo" else 2


SMALL = Case("threads", "valkey", is_full=False)
FULL = [Case(pool, server, is_full=True) for pool in POOLS for server in KINDS]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that is marked as `full` itself has no small form."""
    if "case" in metafunc.fixturenames:
        small = [] if metafunc.definition.get_closest_marker("full") else [SMALL]
        full = [pytest.param(case, marks=pytest.mark.full) for case in FULL]
        metafunc.parametrize("case", [*small, *full], ids=str)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not pytest's: the path of a Unix socket may have about a hundred bytes."""
    with tempfile.TemporaryDirectory(prefix="fleet-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def broker(case: Case, folder: Path) -> Iterator[Broker]:
    with Broker(KINDS[case.server].binary(), folder) as broker:
        yield broker


@pytest.fixture
def new_fleet(case: Case, broker: Broker, folder: Path) -> Iterator[Callable[..., Fleet]]:
    """Makes a fleet without workers; takes the options of the transport."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(
            Fleet(broker, folder, pool=case.pool, transport=TRANSPORT, **options)
        )


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str, object], None]:
    """Keeps a figure in the report; `-rP` shows it."""

    def keep(name: str, value: object) -> None:
        record_property(name, value)
        print(f"{name}: {value:.2f}" if isinstance(value, float) else f"{name}: {value}")

    return keep


only_on_streams = pytest.mark.skipif(TRANSPORT != "streams", reason="kombu's own transport has nothing of the kind")
