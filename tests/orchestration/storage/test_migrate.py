"""The migrations build the schema the code expects, once, whoever runs them."""

import fcntl
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Connection,
    Double,
    Engine,
    Table,
    Text,
    cast,
    column,
    create_engine,
    event,
    func,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy import table as bare_table

import orchestration.storage
from orchestration.storage.migrate import migrate
from orchestration.storage.records import SqlRecords
from orchestration.storage.rows import job_values, run_values, stage_values
from orchestration.storage.schema import REVISION, batches, jobs, metadata, runs, stages
from orchestration.storage.types import JOB_ID
from pipeline.errors import RecordsUnavailable
from pipeline.ids import uuid7
from pipeline.job import JobError, JobSource, Lane, NewJob
from pipeline.runs import RunOrigin
from stages.contract import Options
from tests.support.databases import empty_postgresql_url
from tests.support.jobs import TENANT, new_job
from tests.support.tools import START

MIGRATE_ONLY = """
import sys
from orchestration.storage.migrate import migrate
migrate(sys.argv[1])
print("alembic" in sys.modules)
"""

# Imports first and begins when told, so that several do meet.
MIGRATE_WHEN_TOLD = """
import sys, alembic.command
from orchestration.storage.migrate import migrate
print("ready", flush=True)
sys.stdin.readline()
migrate(sys.argv[1])
"""


def started(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def write_line(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.full)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/new.db" if request.param == "sqlite" else empty_postgresql_url()


def test_the_migrated_schema_is_that_of_the_code(empty_url: str) -> None:
    migrate(empty_url)
    engine = create_engine(empty_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_names_and_conditions_are_those_of_the_code(empty_url: str) -> None:
    """What alembic does not compare."""
    migrate(empty_url)
    engine = create_engine(empty_url)
    found = inspect(engine)
    for table in metadata.sorted_tables:
        assert found.get_pk_constraint(table.name)["name"] == table.primary_key.name
        keys = {key["name"]: key["options"].get("ondelete") for key in found.get_foreign_keys(table.name)}
        assert keys == {key.name: key.ondelete for key in table.foreign_key_constraints}
        partial = {
            index["name"] for index in found.get_indexes(table.name) if "WHERE" in str(definition(engine, index))
        }
        assert partial == {
            index.name for index in table.indexes if index.dialect_options["sqlite"]["where"] is not None
        }
    engine.dispose()


def definition(engine: object, index: object) -> str:
    query = {
        "sqlite": "SELECT sql FROM sqlite_master WHERE name = :name",
        "postgresql": "SELECT indexdef FROM pg_indexes WHERE indexname = :name",
    }[engine.dialect.name]  # type: ignore[attr-defined]
    with engine.connect() as connection:  # type: ignore[attr-defined]
        return str(connection.scalar(text(query), {"name": index["name"]}))  # type: ignore[index]


def test_the_latest_migration_is_the_one_the_code_expects() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(orchestration.storage.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


def test_migrating_again_changes_nothing_and_keeps_the_jobs(empty_url: str) -> None:
    migrate(empty_url)
    migrate(empty_url)
    records = SqlRecords(empty_url)
    records.check()
    records.close()


def test_a_current_database_costs_no_import_of_alembic(empty_url: str) -> None:
    migrate(empty_url)
    process = started(MIGRATE_ONLY, empty_url)
    assert process.communicate(timeout=60) == ("False\n", "")


def test_many_processes_may_migrate_at_once(empty_url: str) -> None:
    processes = [started(MIGRATE_WHEN_TOLD, empty_url) for _ in range(4)]
    assert [read_line(process) for process in processes] == ["ready"] * 4
    for process in processes:
        write_line(process, "go")
    assert [process.communicate(timeout=60)[1] for process in processes] == [""] * 4
    records = SqlRecords(empty_url)
    records.check()
    records.close()


def test_a_sqlite_file_is_locked_while_it_is_migrated(tmp_path: Path) -> None:
    refused: list[bool] = []

    def try_to_lock(_connection: Connection) -> None:
        with (tmp_path / "new.db.lock").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                refused.append(True)

    event.listen(Engine, "begin", try_to_lock)
    try:
        migrate(f"sqlite:///{tmp_path}/new.db")
    finally:
        event.remove(Engine, "begin", try_to_lock)
    assert refused == [True]


def upgrade_to(url: str, revision: str) -> None:
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(Path(orchestration.storage.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def without(row: dict[str, Any], *columns: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in columns}


def accept_in_version_1(connection: Connection, new: NewJob, error: dict[str, Any] | None) -> None:
    """Only columns that version 1 had."""
    job_columns = (
        "tags",
        "metadata",
        "not_before",
        "max_attempts",
        "webhook_id",
        "host",
        "url",
        "batch_id",
        "batch_index",
        "likeness",
    )
    stage_columns = ("reruns", "stale_writes", "level", "is_launched")
    connection.execute(insert(jobs), {**without(job_values(new), *job_columns), "error": error})
    connection.execute(insert(runs), {**without(run_values(new), "origin", "options", "lane"), "error": error})
    connection.execute(insert(stages), [without(row, *stage_columns) for row in stage_values(new, is_launched=True)])


def test_jobs_of_version_1_are_kept_and_completed(empty_url: str) -> None:
    upgrade_to(empty_url, "0001")
    error = {"code": "dns_failure", "message": "\x00 \ud800", "stage": "fetch", "traceback": "\x00"}
    failed = [new_job(options=Options(processing="detailed")) for _ in range(1001)]
    sound = new_job(lane=Lane.URGENT)
    engine = create_engine(empty_url)
    with engine.begin() as connection:
        for job in failed:
            accept_in_version_1(connection, job, error)
        accept_in_version_1(connection, sound, None)
        accept_in_version_1(connection, new_job(source=JobSource(name="a.html")), None)
    migrate(empty_url)
    with engine.begin() as connection:
        sought = (jobs.c.error_code, jobs.c.error_stage)
        codes = connection.execute(select(*sought, func.count()).group_by(*sought))
        assert set(codes) == {("dns_failure", "fetch", 1001), (None, None, 2)}
        found_by = (jobs.c.host, jobs.c.url)
        urls = connection.execute(select(*found_by, func.count()).group_by(*found_by))
        assert set(urls) == {("example.org", "example.org/", 1002), (None, None, 1)}
        same_options = func.count().filter(cast(runs.c.options, Text) == cast(jobs.c.options, Text))
        assert connection.scalar(select(same_options).join_from(runs, jobs)) == 1003
    engine.dispose()
    records = SqlRecords(empty_url)
    for job in (failed[0], failed[-1], sound):
        read = records.job(TENANT, job.id)
        assert read is not None
        (run,) = records.runs(TENANT, job.id)
        assert (run.origin, run.from_stage, run.lane) == (RunOrigin.SUBMIT, None, job.lane)
        assert (read.options, read.error) == (job.options, JobError(**error) if job is not sound else None)
    records.close()


def insert_what_there_is(connection: Connection, table: Table, *rows: dict[str, Any]) -> None:
    """Rows of this version in a table of an older one."""
    known = {column["name"] for column in inspect(connection).get_columns(table.name)}
    for row in rows:
        connection.execute(insert(table), {name: value for name, value in row.items() if name in known})


def test_jobs_that_were_held_by_a_batch_are_admitted_after_it(empty_url: str) -> None:
    upgrade_to(empty_url, "0014")
    batch_id = str(uuid7(START, Random(1)))
    held = [new_job(batch_id=batch_id, batch_index=index, lane=Lane.BULK) for index in range(3)]
    batch = {"id": batch_id, "tenant_id": TENANT, "created_at": START, "received": 3, "rejected": 0, "rejections": []}
    batch |= {"digest": "0" * 64, "sealed_at": START, "is_cancelling": False}
    old = bare_table("held_job", column("batch_id", JOB_ID), column("job_id", JOB_ID), column("not_before", Double))
    engine = create_engine(empty_url)
    with engine.begin() as connection:
        insert_what_there_is(connection, batches, batch)
        for job in held:
            insert_what_there_is(connection, jobs, job_values(job))
            insert_what_there_is(connection, runs, run_values(job))
            insert_what_there_is(connection, stages, *stage_values(job, is_launched=False))
            connection.execute(insert(old), {"batch_id": batch_id, "job_id": job.id, "not_before": 0.0})
    engine.dispose()
    migrate(empty_url)
    records = SqlRecords(empty_url)
    (flow,) = records.flows()
    assert (flow.tenant_id, flow.lane) == (TENANT, Lane.BULK)
    assert [each.job.id for each in records.admit({flow: 5})] == [job.id for job in held]
    assert records.flows() == []
    records.close()


def test_a_failed_migration_leaves_no_half_of_it(tmp_path: Path) -> None:
    path = tmp_path / "occupied.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE attempt (a)")
    with pytest.raises(RecordsUnavailable, match="already exists"):
        migrate(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("attempt",)]


def test_a_path_with_odd_characters_can_be_migrated(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/100%25 of it.db"
    migrate(url)
    records = SqlRecords(url)
    records.check()
    records.close()


def test_sqlite_reads_while_it_writes(tmp_path: Path) -> None:
    migrate(f"sqlite:///{tmp_path}/new.db")
    with closing(sqlite3.connect(tmp_path / "new.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_database_that_was_not_migrated_fails_the_check(empty_url: str) -> None:
    records = SqlRecords(empty_url)
    with pytest.raises(RecordsUnavailable, match=r"schema none.*`penstock migrate`"):
        records.check()
    records.close()


def test_a_database_of_another_version_fails_the_check(empty_url: str) -> None:
    migrate(empty_url)
    engine = create_engine(empty_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    engine.dispose()
    records = SqlRecords(empty_url)
    with pytest.raises(RecordsUnavailable, match=rf"0000.*{REVISION}.*`penstock migrate`"):
        records.check()
    records.close()


def test_a_database_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(RecordsUnavailable, match="cannot be opened"):
        migrate(f"sqlite:///{tmp_path}/missing/new.db")
