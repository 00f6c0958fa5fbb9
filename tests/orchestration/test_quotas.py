"""What tenants may use, and how requests are counted, with Redis and without."""

import logging
import tempfile
from pathlib import Path

import pytest

from orchestration.quotas import AWAY_FOR_S, KNOWN_FOR_S, QuotaBook, counter_at
from pipeline.memory import MemoryRecords
from pipeline.tenants import Quotas, Tenant
from tests.support.brokers import KINDS, Broker
from tests.support.tools import ManualClock


def test_what_was_set_for_a_tenant_goes_before_the_settings() -> None:
    clock = ManualClock()
    records = MemoryRecords(clock)
    records.set_tenant(Tenant("own", quotas={"jobs_in_flight": 5, "requests_per_minute": None}))
    book = QuotaBook(records, clock, Quotas(60, 100, 1000))
    assert book.of("own") == Quotas(None, 5, 1000)
    assert book.of("other") == Quotas(60, 100, 1000)


def test_a_change_is_known_after_a_while() -> None:
    clock = ManualClock()
    records = MemoryRecords(clock)
    book = QuotaBook(records, clock, Quotas())
    assert book.known("own") is None
    assert book.of("own") == book.known("own") == Quotas()
    records.set_tenant(Tenant("own", quotas={"jobs_in_flight": 5}))
    assert book.of("own") == Quotas()
    clock.advance(KNOWN_FOR_S)
    assert book.known("own") is None
    assert book.of("own") == Quotas(jobs_in_flight=5)


def test_requests_are_counted_by_tenant_and_the_one_too_many_is_told() -> None:
    counter = counter_at("memory://", ManualClock())
    seen = [counter.count("a", 3) for _ in range(4)]
    assert [standing.is_over for standing in seen] == [False, False, False, True]
    assert [standing.remaining for standing in seen] == [2, 1, 0, 0]
    assert all(1 <= standing.reset_s <= 60 for standing in seen)
    assert not counter.count("b", 3).is_over


def test_processes_count_together_in_redis_and_apart_while_it_is_away(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    with (
        tempfile.TemporaryDirectory(prefix="quota-") as folder,
        Broker(KINDS["valkey"].binary(), Path(folder)) as broker,
    ):
        first, second = (counter_at(broker.url, clock) for _ in range(2))
        assert [first.count("a", 3).remaining, second.count("a", 3).remaining] == [2, 1]
        broker.kill()
        with caplog.at_level(logging.WARNING):
            assert [first.count("a", 3).remaining, second.count("a", 3).remaining] == [2, 2]
            assert [first.count("a", 3).is_over for _ in range(3)] == [False, False, True]
        assert len(caplog.records) == 2
        broker.start()
        assert first.count("a", 3).is_over
        clock.advance(AWAY_FOR_S)
        assert not first.count("a", 3).is_over
