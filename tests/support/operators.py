"""Queues and breakers for operators, without a broker."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from orchestration.outbound.breakers_overview import Breaker, BreakerState
from orchestration.queues import Backlog
from pipeline.errors import BreakerNotFound, BrokerUnavailable
from pipeline.job import Lane
from tests.support.tools import START

LISTS = Backlog({Lane.URGENT: 1, Lane.NORMAL: 2, Lane.BULK: 3})
STREAMS = replace(LISTS, redelivery=4, delayed=5, in_flight=6, oldest_s=7.5)


class FakeQueues:
    """Every queue has this backlog."""

    transport = "streams"
    backlog: Backlog | Exception = STREAMS

    def backlogs(self) -> Mapping[str, Backlog]:
        if isinstance(self.backlog, Exception):
            raise self.backlog
        return dict.fromkeys(("fetch", "extract", "summarize", "store", "analyze"), self.backlog)


class FakeBreakers:
    """Breakers in a dictionary."""

    def __init__(self) -> None:
        self.known: dict[str, Breaker] = {}
        self.is_down = False
        self.opened_for: list[float] = []

    def breakers(self) -> list[Breaker]:
        if self.is_down:
            raise BrokerUnavailable("no answer")
        return list(self.known.values())

    def open(self, dependency: str, pause_s: float) -> Breaker:
        self.breakers()
        self.opened_for.append(pause_s)
        self.known[dependency] = Breaker(dependency, BreakerState.OPEN, 0, START, datetime(2026, 1, 3, tzinfo=UTC))
        return self.known[dependency]

    def reset(self, dependency: str) -> Breaker:
        self.breakers()
        if self.known.pop(dependency, None) is None:
            raise BreakerNotFound(dependency)
        return Breaker(dependency, BreakerState.CLOSED, 0)
