"""Each entry of the table ends in a coded error or a good result, and a page of somebody else's is read meanwhile."""

import threading
from collections.abc import Iterator
from ipaddress import ip_network

import pytest

from orchestration.outbound.http import GuardedHttp, HttpLimits
from orchestration.outbound.isolation import IsolationLimits, ProcessIsolation
from orchestration.wiring_outbound import PARSING_MODULES
from pipeline.clock import SystemClock
from stages.contract import Article, Scope, Source, StageError
from stages.extract import extract
from stages.fetch import fetch
from tests.support.bombs import GOOD, PAGE, Bomb, Minefield, bombs
from tests.support.tools import make_tools

CLOCK = SystemClock()
TABLE = bombs()
LIMITS = HttpLimits(read_timeout_s=3)
SLOW = {"parse_timeout", "fetch_timeout"}


@pytest.fixture(scope="module")
def minefield() -> Iterator[Minefield]:
    with Minefield(TABLE) as served:
        yield served


@pytest.fixture(scope="module")
def isolation() -> Iterator[ProcessIsolation]:
    made = ProcessIsolation(
        max_workers=2,
        preload=PARSING_MODULES,
        limits=IsolationLimits(memory_bytes=512 * 2**20),
    )
    made.start()
    yield made
    made.close()


def read(source: Source, isolation: ProcessIsolation) -> Article:
    http = GuardedHttp(user_agent="test", limits=LIMITS, allow_networks=[ip_network("127.0.0.0/8")])
    tools = make_tools(http=http, isolate=isolation, clock=CLOCK, scope=Scope(CLOCK, CLOCK.monotonic() + 60))
    return extract.run(fetch.run(source, tools), tools)


@pytest.mark.parametrize(
    "bomb", [pytest.param(bomb, id=bomb.name, marks=[pytest.mark.full] * bool(bomb.expected & SLOW)) for bomb in TABLE]
)
def test_a_bomb_hurts_nobody(bomb: Bomb, minefield: Minefield, isolation: ProcessIsolation) -> None:
    neighbours: list[Article] = []
    innocent = Source(body=PAGE.encode(), content_type="text/html")
    beside = threading.Thread(target=lambda: neighbours.append(read(innocent, isolation)))
    beside.start()
    try:
        article = read(Source(url=minefield.url(bomb)), isolation)
    except StageError as error:
        ended = error.code
    else:
        ended = GOOD
        assert "keeper opened the gate" in article.text
        assert bomb.warns is None or bomb.warns in article.warnings
        assert "root:" not in article.text
    beside.join(timeout=60)
    assert ended in bomb.expected
    assert [article.word_count for article in neighbours] == [152]


def test_a_page_that_was_all_there_warns_of_nothing(isolation: ProcessIsolation) -> None:
    assert read(Source(body=PAGE.encode(), content_type="text/html"), isolation).warnings == ()


def test_a_page_of_broken_characters_says_so(isolation: ProcessIsolation) -> None:
    damaged = PAGE.replace("river", "r\ufffdver").encode()
    assert read(Source(body=damaged, content_type="text/html"), isolation).warnings == ("characters_replaced",)
