"""Connections: how transactions begin and sync, and what becomes of the database's errors."""

import re
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import IntegrityError

from orchestration.storage.engine import OVERFLOW, Database, parse_url
from orchestration.storage.records import SqlRecords
from orchestration.storage.schema import jobs, stages
from orchestration.storage.wal_sync import WalSync
from pipeline.errors import RecordsUnavailable
from pipeline.ids import Hold
from pipeline.job import JobState
from pipeline.ports import JobFilter, Retention
from pipeline.work import Refusal, Refused
from tests.support.at_once import at_once
from tests.support.batches import admitted, full_batch
from tests.support.databases import postgresql_url, sqlite_url
from tests.support.jobs import BROKEN, STAGES, TENANT, World, ended, key_of, new_job, output_of
from tests.support.tools import START

PATIENCE_S = 1.0


@contextmanager
def in_time() -> Iterator[None]:
    """Whatever there is to wait for, it is given up once."""
    began_s = time.monotonic()
    yield
    assert PATIENCE_S * 0.9 <= time.monotonic() - began_s < PATIENCE_S * 1.9


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/name"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="database URL"):
        parse_url(url)


def test_postgresql_is_reached_through_psycopg_3() -> None:
    assert parse_url("postgresql://host/name").drivername == "postgresql+psycopg"


def test_a_locked_table_is_waited_for_only_so_long() -> None:
    url = postgresql_url()
    with closing(impatient(url)) as records, closing_engine(url) as locking, locking.begin() as connection:
        records.check()
        connection.execute(text("LOCK TABLE job"))
        with in_time(), pytest.raises(RecordsUnavailable):
            records.accept(new_job())


def impatient(url: str) -> SqlRecords:
    return SqlRecords(url, patience_s=PATIENCE_S)


@contextmanager
def closing_engine(url: str) -> Iterator[Engine]:
    engine = create_engine(parse_url(url))
    try:
        yield engine
    finally:
        engine.dispose()


def test_nothing_is_opened_before_the_first_use(tmp_path: Path) -> None:
    SqlRecords(f"sqlite:///{tmp_path}/new.db").close()
    assert list(tmp_path.iterdir()) == []


def test_closed_records_open_again(records: SqlRecords) -> None:
    records.check()
    records.close()
    records.check()


# errors


def test_a_server_that_refuses_is_unavailable() -> None:
    records = SqlRecords("postgresql://user:hunter2@127.0.0.1:1/name")
    with pytest.raises(RecordsUnavailable, match="refused") as raised:
        records.check()
    assert "hunter2" not in f"{raised.value}{raised.value.__cause__!r}{records!r}"


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="psycopg waits 2 seconds where there is none")
def test_a_server_that_takes_no_connection_is_given_up_sooner_than_psycopg_would() -> None:
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        records = impatient(f"postgresql://user@127.0.0.1:{full.getsockname()[1]}/name")
        began_s = time.monotonic()
        with pytest.raises(RecordsUnavailable):
            records.check()
        assert time.monotonic() - began_s < 1.9


def test_a_file_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(RecordsUnavailable, match="unable to open"):
        SqlRecords(f"sqlite:///{tmp_path}/missing/new.db").check()


def test_a_locked_database_is_unavailable(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    records = impatient(url)
    with closing(sqlite3.connect(str(make_url(url).database), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with in_time(), pytest.raises(RecordsUnavailable, match="locked"):
            records.accept(new_job())
        with in_time():
            answers = at_once(*[partial(records.accept, new_job())] * 6)
        assert {type(answer) for answer in answers} == {RecordsUnavailable}
        assert records.jobs(TENANT, JobFilter(), before=None, limit=1).items == ()
        other.execute("ROLLBACK")
    records.accept(new_job())
    records.close()


def test_a_pool_with_no_free_connection_is_unavailable(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path), pool_size=1, patience_s=PATIENCE_S)
    with database.read(), in_time(), pytest.raises(RecordsUnavailable, match="in use"), database.read():
        pass
    database.close()


def test_no_more_connections_are_used_than_there_are(url: str) -> None:
    """Or they would wait for one in the pool, which lets those wait who asked first."""
    database = Database(url, pool_size=2, patience_s=0)
    most = 2 if database.has_cheap_writes else 2 + OVERFLOW
    with ExitStack() as stack:
        for _ in range(most):
            stack.enter_context(database.read()).execute(text("SELECT 1"))
        with pytest.raises(RecordsUnavailable), database.read():
            pass
    database.close()


def test_whichever_way_it_syncs_sqlite_has_one_writer(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path), patience_s=PATIENCE_S)
    with database.write(), in_time(), pytest.raises(RecordsUnavailable, match="in use"), database.write(durable=True):
        pass
    database.close()


def test_a_cut_connection_is_replaced() -> None:
    url = postgresql_url()
    records = SqlRecords(url)
    records.check()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'penstock'")
        )
    engine.dispose()
    records.check()
    records.close()


def test_a_connection_cut_in_mid_transaction_is_unavailable() -> None:
    database = Database(postgresql_url())
    with pytest.raises(RecordsUnavailable, match="terminat"), database.write() as connection:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with database.read() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    database.close()


def test_a_defect_passes(records: SqlRecords) -> None:
    job = new_job()
    records.accept(job)
    with pytest.raises(IntegrityError):
        records.accept(job)


def test_what_fails_half_way_changes_nothing(url: str) -> None:
    database = Database(url)
    update = text("UPDATE alembic_version SET version_num = 'gone'")
    with suppress(KeyError), database.write() as connection:
        assert connection.execute(update).rowcount == 1
        raise KeyError
    with database.read() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) != "gone"
    database.close()


# transactions


@contextmanager
def listening(name: str, listener: Callable[..., None]) -> Iterator[None]:
    event.listen(Engine, name, listener)
    try:
        yield
    finally:
        event.remove(Engine, name, listener)


def full_job(world: World) -> dict[str, Callable[[], Any]]:
    """Every write, each ready to be called in this order."""
    records, job, other = world.records, new_job(), new_job()
    records.accept(other)
    acts: dict[str, Callable[[], Any]] = {"accept": lambda: records.accept(job)}
    for stage in STAGES:
        hold = Hold(key_of(job, stage), 1)
        acts[f"claim {stage}"] = partial(world.hold, job, stage)
        acts[f"renew {stage}"] = partial(records.renew, [hold], lease_s=30)
        acts[f"complete {stage}"] = partial(records.complete, hold, output_of(stage), ended())
    first, second = (Hold(key_of(other), epoch) for epoch in (1, 2))
    acts["claim"] = partial(world.hold, other)
    acts["release"] = partial(records.release, first, BROKEN, delay_s=0, spends=True, ended=ended())
    acts["claim again"] = partial(world.hold, other)
    acts["fail"] = partial(records.fail, second, BROKEN, spends=True, ended=ended())
    return acts


def test_sqlite_syncs_what_must_survive_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = SqlRecords(sqlite_url(tmp_path))
    calls: list[str] = []
    monkeypatch.setattr(WalSync, "flush", lambda _log: calls.append("flush"))
    synced = {}
    for name, act in full_job(World(records, lambda _seconds: None)).items():
        calls.clear()
        with listening("commit", lambda _connection: calls.append("commit")):
            act()
        synced[name] = calls[-1] == "flush"
    assert [name for name, is_synced in synced.items() if is_synced] == ["accept", "complete store", "fail"]
    records.close()


STATEMENTS = {
    "accept": 4,
    "claim fetch": 5,
    "renew fetch": 1,
    "complete fetch": 4,
    "claim extract": 4,
    "renew extract": 1,
    "complete extract": 4,
    "claim store": 4,
    "renew store": 1,
    "complete store": 7,
    "claim": 5,
    "release": 2,
    "claim again": 3,
    "fail": 7,
}


def test_an_operation_takes_few_statements_and_one_transaction(records: SqlRecords) -> None:
    statements: list[str] = []
    commits: list[Connection] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not statement.startswith("BEGIN"):
            statements.append(statement)

    used = {}
    for name, act in full_job(World(records, lambda _seconds: None)).items():
        statements.clear()
        commits.clear()
        with listening("before_cursor_execute", note), listening("commit", commits.append):
            act()
        looked_up = is_sqlite(records) and name.startswith("complete")
        used[name] = len(statements) - looked_up
        assert len(commits) == 1 + looked_up, name
    assert used == STATEMENTS


def is_sqlite(records: SqlRecords) -> bool:
    return records._database.has_cheap_writes


def test_renewing_a_hundred_holds_is_one_statement(records: SqlRecords) -> None:
    world = World(records, lambda _seconds: None)
    holds = [world.hold(world.accept(tenant_id=f"tenant-{number}")) for number in range(100)]
    statements: list[str] = []
    with listening("before_cursor_execute", lambda _c, _u, statement, *_: statements.append(statement)):
        assert not records.renew(holds, lease_s=30).lost
    assert sum(not statement.startswith("BEGIN") for statement in statements) == 1


# indexes


def test_what_is_looked_for_often_is_found_by_an_index(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    records = SqlRecords(url)
    world = World(records, lambda _seconds: None)
    holds = [world.hold(world.accept())]
    batch, _ = full_batch(records, 1)
    seen: list[tuple[str, Any]] = []
    with listening("before_cursor_execute", lambda _c, _u, statement, values, *_: seen.append((statement, values))):
        records.lapsed(limit=5)
        records.unstarted(older_than_s=5, limit=5)
        records.expire(at=START, limit=5)
        records.jobs(TENANT, JobFilter(), before=None, limit=5)
        records.jobs(TENANT, JobFilter(), before=new_job().id, limit=5)
        records.renew(holds, lease_s=30)
        records.job(TENANT, holds[0].key.job_id)
        records.resume_interrupted(at=START)
        records.relaunch_all()
        for where in ({"code": "x"}, {"pipeline": "x"}, {"lane": "bulk"}, {"host": "x"}, {"url": "x"}, {"stage": "x"}):
            records.jobs(TENANT, JobFilter(**where), before=None, limit=5)
        records.count(TENANT, JobFilter(states=(JobState.FAILED,)))
        records.runs(TENANT, holds[0].key.job_id)
        records.expired_jobs(START, Retention(1, 1, 1), limit=5)
        records.expire_payloads(START, Retention(1, 1, 1), limit=5)
        records.known_jobs([holds[0].key.job_id])
        for states in ((), (JobState.FAILED,)):
            records.jobs(TENANT, JobFilter(batch_id=batch.id, states=states), before=None, limit=5)
        records.batch_results(TENANT, batch.id, after=None, limit=5)
        records.cancelling_batches()
        records.loads()
        admitted(records, batch, 5)
        records.cancel_held(batch.id, START, limit=5)
        records.forget_batches(before=START)
        records.done_before(TENANT, new_job().likeness, START)
    records.close()
    used = set()
    with closing(sqlite3.connect(str(make_url(url).database))) as plans:
        for statement, values in seen:
            if not statement.startswith("BEGIN"):
                for *_, step in plans.execute(f"EXPLAIN QUERY PLAN {statement}", values):
                    assert not re.match("SCAN (job|run|stage|attempt)(?!.* INDEX )", step), (statement, step)
                    used.add(step.split("INDEX ")[-1].split(" ")[0])
    assert {index.name for table in (jobs, stages) for index in table.indexes} <= used


def test_a_stage_of_a_superseded_run_cannot_be_claimed(url: str) -> None:
    records, database = SqlRecords(url), Database(url)
    job = new_job()
    records.accept(job)
    with database.write() as connection:
        connection.execute(text("UPDATE job SET run = 2"))
    refused = records.claim(key_of(job), owner="worker", lease_s=30, at=START)
    assert refused == Refused(Refusal.OVER)
    database.close()
    records.close()
