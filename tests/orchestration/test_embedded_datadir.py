import os
import signal
import time
from pathlib import Path

import pytest

from orchestration.embedded import datadir
from orchestration.embedded.datadir import DataDir, DataDirInUse, StackNote
from tests.support.forking import forked
from tests.support.waiting import until

ME = StackNote(os.getpid(), "http://127.0.0.1:8000")


def an_ended_pid() -> int:
    pid = forked(lambda: None)
    os.waitpid(pid, 0)
    return pid


def test_the_folder_is_made_and_is_private(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "a" / "b")
    data.lock()
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    data.unlock()


def test_one_stack_at_a_time(tmp_path: Path) -> None:
    first, second = DataDir(tmp_path), DataDir(tmp_path)
    first.lock()
    first.announce(ME)
    with pytest.raises(DataDirInUse, match=str(tmp_path)):
        second.lock()
    first.withdraw()
    first.unlock()
    second.lock()
    second.unlock()


def test_a_lock_that_nobody_gives_back_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datadir, "LOCK_WAIT_S", 0.1)
    first = DataDir(tmp_path)
    first.lock()
    with pytest.raises(DataDirInUse):
        DataDir(tmp_path).lock()
    first.unlock()


def test_it_waits_for_a_stack_that_is_just_ending(tmp_path: Path) -> None:
    held = tmp_path / "held"

    def other_stack() -> None:
        DataDir(tmp_path).lock()
        held.touch()
        time.sleep(0.2)

    holder = forked(other_stack)
    until(held.exists, within_s=5, what="the lock of the child")
    data = DataDir(tmp_path)
    data.lock()
    data.unlock()
    os.waitpid(holder, 0)


def test_the_lock_outlives_its_taker_in_a_forked_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datadir, "LOCK_WAIT_S", 0.1)
    first = DataDir(tmp_path)
    first.lock()
    child = forked(lambda: time.sleep(60))
    first.unlock()
    with pytest.raises(DataDirInUse):
        DataDir(tmp_path).lock()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    first.lock()
    first.unlock()


def test_a_stack_is_known_while_it_runs(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    assert data.running() is None
    data.lock()
    assert data.running() is None
    data.announce(ME)
    assert DataDir(tmp_path).running() == ME
    data.withdraw()
    assert data.running() is None
    data.withdraw()
    data.unlock()


def test_a_stack_that_was_killed_is_not_running(tmp_path: Path) -> None:
    DataDir(tmp_path).announce(StackNote(an_ended_pid(), None))
    assert DataDir(tmp_path).running() is None


@pytest.mark.parametrize("note", ["", "{", "[]", "{}", '{"pid": 1, "api_url": null, "more": 1}', "null"])
def test_a_note_that_cannot_be_read_is_no_stack(tmp_path: Path, note: str) -> None:
    (tmp_path / "stack.json").write_text(note)
    assert DataDir(tmp_path).running() is None
