"""The real stack: embedded broker, worker processes, HTTP API. Started once for all tests that do it no harm."""

from collections.abc import Iterator

import pytest

from tests.support.hosts import MarkedLlm, OrderedOrigin
from tests.support.stack import BREAKER_RESET_S, LiveStack, Narrow, live_stack


@pytest.fixture(scope="session")
def stack() -> Iterator[LiveStack]:
    """A stack without a language model."""
    with live_stack(breaker_reset_s=BREAKER_RESET_S) as stack:
        yield stack


@pytest.fixture
def origin() -> Iterator[OrderedOrigin]:
    """A web server; every test has its own, and with it breakers of its own."""
    with OrderedOrigin() as origin:
        yield origin


@pytest.fixture(scope="session")
def narrow_for_all() -> Iterator[Narrow]:
    with (
        MarkedLlm() as llm,
        live_stack(llm_base_url=llm.base_url, io_concurrency=1, lease_s=3, relaunch_after_s=5, llm_cache_s=0) as stack,
    ):
        yield Narrow(stack, llm)


@pytest.fixture
def narrow(narrow_for_all: Narrow) -> Narrow:
    """Running, whatever the test before did to it."""
    if not narrow_for_all.stack.is_running:
        narrow_for_all.stack.start()
    return narrow_for_all
