import os
import sqlite3
import threading
from pathlib import Path

import pytest

from orchestration.storage import wal_sync
from orchestration.storage.engine import Database
from orchestration.storage.wal_sync import WalSync
from pipeline.errors import RecordsUnavailable
from tests.support.databases import sqlite_url


class SlowDisk:
    """Syncs that wait until they are let through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = threading.Semaphore(0)
        self.through = threading.Semaphore(0)
        self.synced = 0
        monkeypatch.setattr(wal_sync, "_sync", self._sync)

    def _sync(self, _file: int) -> None:
        self.begun.release()
        assert self.through.acquire(timeout=20)
        self.synced += 1


def running(action: threading.Thread) -> threading.Thread:
    action.start()
    return action


def test_those_who_come_while_a_sync_runs_share_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.db-wal").touch()
    disk, log = SlowDisk(monkeypatch), WalSync(tmp_path / "a.db")
    first = running(threading.Thread(target=log.flush))
    assert disk.begun.acquire(timeout=20)
    # The sync that runs may have begun before their commits: it does not do for them.
    others = [running(threading.Thread(target=log.flush)) for _ in range(5)]
    disk.through.release()
    first.join(20)
    assert disk.begun.acquire(timeout=20)
    assert all(each.is_alive() for each in others)
    disk.through.release(6)  # More than one where not all of them had come in time.
    for each in others:
        each.join(20)
    assert not any(each.is_alive() for each in others)
    assert 2 <= disk.synced <= 3


def test_a_sync_that_fails_is_told_to_who_began_it_and_tried_again_by_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.db-wal").touch()
    log = WalSync(tmp_path / "a.db")

    def broken(_file: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(wal_sync, "_sync", broken)
    with pytest.raises(OSError, match="Input/output"):
        log.flush()
    monkeypatch.setattr(wal_sync, "_sync", os.fsync)
    log.flush()


def test_a_log_that_is_gone_is_in_the_database(tmp_path: Path) -> None:
    WalSync(tmp_path / "nothing.db").flush()


def test_the_lock_is_free_while_a_commit_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = sqlite_url(tmp_path)
    database = Database(url)
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x)")
    disk = SlowDisk(monkeypatch)

    def write() -> None:
        with database.write(durable=True) as connection:
            connection.exec_driver_sql("INSERT INTO t VALUES (1)")

    thread = running(threading.Thread(target=write))
    assert disk.begun.acquire(timeout=20)
    with sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0) as other:
        other.execute("INSERT INTO t VALUES (2)")
    other.close()
    assert thread.is_alive()
    disk.through.release()
    thread.join(20)
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM t").scalar() == 2
    database.close()


def test_a_disk_that_does_not_answer_is_a_database_that_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(sqlite_url(tmp_path))
    with database.write() as connection:
        connection.exec_driver_sql("PRAGMA user_version = 1")

    def full(_log: WalSync) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(WalSync, "flush", full)
    with pytest.raises(RecordsUnavailable, match="No space left"), database.write(durable=True):
        pass
    database.close()
