"""The database restarts, hangs, is slow or away. No 202 without a commit, and nothing is held against a job."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import create_engine, text

from tests.support.databases import sqlite_url
from tests.support.faulty_effects import Model, Web
from tests.support.faulty_postgres import Postgres
from tests.support.faulty_probe import Clients
from tests.support.faulty_verdict import Verdict, judge
from tests.support.job_fleet import STAGES, JobFleet

pytestmark = [pytest.mark.timeout(500), pytest.mark.full]

ENDED_WITHIN_S = 90
ANSWERS_WITHIN_S = 1.5
"""Of the API, while the database is locked; it gives up after 0.8 s."""
LASTS_S = 80.0
"""Longer than any of these outages."""


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture
def pg_fleet(folder: Path, broker, postgres: Postgres) -> Iterator[JobFleet]:
    with Web() as web, Model() as model, JobFleet(folder, broker, postgres.url, web, model) as fleet:
        yield fleet


@pytest.fixture
def sqlite_fleet(folder: Path, broker) -> Iterator[JobFleet]:
    with Web() as web, Model() as model, JobFleet(folder, broker, sqlite_url(folder), web, model) as fleet:
        yield fleet


def test_postgresql_restarts_again_and_again(pg_fleet: JobFleet, postgres: Postgres, measured) -> None:
    random = Random(1)

    def restart_often() -> None:
        until_s = time.monotonic() + 60
        while time.monotonic() < until_s:
            time.sleep(random.uniform(1, 15))
            postgres.end()
            postgres.start()

    verdict = bear(pg_fleet, restart_often, measured)
    assert verdict.failures == []
    assert_no_worker_counts_as_dead(verdict)


def test_postgresql_is_down_for_a_minute(pg_fleet: JobFleet, postgres: Postgres, measured) -> None:
    def be_down() -> None:
        postgres.end()
        time.sleep(60)
        postgres.start()

    verdict = bear(pg_fleet, be_down, measured)
    assert verdict.failures == []
    assert_no_worker_counts_as_dead(verdict)


def test_postgresql_is_locked(pg_fleet: JobFleet, postgres: Postgres, measured) -> None:
    def lock() -> None:
        engine = create_engine(postgres.url)
        with engine.begin() as connection:
            connection.execute(text("LOCK TABLE job, stage IN ACCESS EXCLUSIVE MODE"))
            time.sleep(20)
        engine.dispose()

    assert bear(pg_fleet, lock, measured, answers_within_s=ANSWERS_WITHIN_S).failures == []


def test_sqlite_is_locked(sqlite_fleet: JobFleet, measured) -> None:
    def lock() -> None:
        connection = sqlite3.connect(sqlite_fleet.database_url.removeprefix("sqlite:///"), timeout=30)
        connection.isolation_level = None
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(20)
        connection.execute("ROLLBACK")
        connection.close()

    verdict = bear(sqlite_fleet, lock, measured, answers_within_s=ANSWERS_WITHIN_S)
    assert verdict.failures == []
    assert_no_worker_counts_as_dead(verdict)


@pytest.mark.parametrize("which", ["sqlite_fleet", "pg_fleet"])
def test_a_slow_database_costs_time_and_nothing_else(which: str, request: pytest.FixtureRequest, measured) -> None:
    fleet: JobFleet = request.getfixturevalue(which)
    fleet.box.turn("records_delay_s", 0.2)
    verdict = bear(fleet, lambda: time.sleep(20), measured)
    assert verdict.failures == []
    assert (verdict.attempts_lost, verdict.duplicate_effects) == (0, 0)


def assert_no_worker_counts_as_dead(verdict: Verdict) -> None:
    """What was done while the database was away is recorded once it is back, by the worker that did it."""
    assert (verdict.attempts_lost, verdict.duplicate_effects) == (0, 0)


def bear(fleet: JobFleet, hurt, measured, *, answers_within_s: float = 30) -> Verdict:
    """Hurt the database under a steady load, and wait until everything is well again."""
    fleet.web.delay_s = fleet.model.delay_s = 1.0
    fleet.start(dict.fromkeys(STAGES, 1), width=3)
    for _ in range(12):
        fleet.accepted()
    with Clients(fleet, every_s=1.5) as clients:
        fleet.until(lambda: fleet.box.events("completed"), within_s=30, what="work to be under way")
        began_at = time.time()
        fleet.box.note("fault", kind="database", stage="all", lasts_s=LASTS_S)
        hurt()
        lasted_s = time.time() - began_at
    back_at = time.time()
    states = fleet.wait_ended(within_s=ENDED_WITHIN_S)
    fleet.wait_quiet()
    measured("outage, s", lasted_s)
    measured("all ended after, s", time.time() - back_at)
    measured("longest answer of the API, s", clients.longest_answer_s)
    measured("accepted / refused / unanswered", (len(clients.accepted), clients.refused, clients.unanswered))
    assert clients.longest_answer_s < answers_within_s
    verdict = judge(fleet, may_fail=set())
    measured("attempts lost / duplicate effects", (verdict.attempts_lost, verdict.duplicate_effects))
    assert set(states.values()) == {"succeeded"}
    # Whatever the database does, it is no attempt of the job's.
    spent = [event for event in fleet.box.events("released") if event.more["spends"]]
    assert spent == []
    return verdict
