import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from orchestration.embedded.children import CRASHED, Program, fork, has_exited
from orchestration.embedded.lifeline import Lifeline
from tests.support.forking import forked, may_fork
from tests.support.waiting import until


def exit_code(pid: int) -> int:
    code: list[int] = []

    def ended() -> bool:
        found = has_exited(pid)
        if found is not None:
            code.append(found)
        return bool(code)

    until(ended, within_s=10, what=f"child {pid} to end")
    return code[0]


def is_gone(pid: int) -> bool:
    """Whether it has ended, be it that nobody has asked for its exit code yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_it_is_whole_while_the_parent_lives_and_cut_once_it_says_so() -> None:
    lifeline = Lifeline()
    assert not lifeline.is_cut(wait_s=0)
    lifeline.cut()
    assert lifeline.is_cut(wait_s=0)


def test_a_child_dies_when_the_parent_cuts_the_line() -> None:
    def child() -> None:
        lifeline.enter_child()
        lifeline.die_with_parent()
        time.sleep(60)

    lifeline = Lifeline()
    pid = forked(child)
    assert has_exited(pid) is None
    lifeline.cut()
    assert exit_code(pid) == -signal.SIGKILL


def test_a_child_dies_when_its_parent_is_killed() -> None:
    reading, writing = os.pipe()

    def parent() -> None:
        lifeline = Lifeline()

        def child() -> None:
            lifeline.enter_child()
            lifeline.die_with_parent()
            os.write(writing, str(os.getpid()).encode())
            time.sleep(60)

        forked(child)
        time.sleep(60)

    pid = forked(parent)
    grandchild = int(os.read(reading, 20))
    for end in (reading, writing):
        os.close(end)
    assert not is_gone(grandchild)
    os.kill(pid, signal.SIGKILL)
    assert exit_code(pid) == -signal.SIGKILL
    until(lambda: is_gone(grandchild), within_s=10, what="the grandchild to end")


def test_a_sibling_does_not_keep_the_line_whole() -> None:
    lifeline = Lifeline()

    def child() -> None:
        lifeline.enter_child()
        lifeline.die_with_parent()
        time.sleep(60)

    pids = [forked(child) for _ in range(2)]
    lifeline.cut()
    assert [exit_code(pid) for pid in pids] == [-signal.SIGKILL] * 2


# children


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (lambda: None, 0),
        (lambda: exec("raise SystemExit(7)"), 7),
        (lambda: 1 / 0, CRASHED),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), -signal.SIGTERM),
    ],
)
def test_a_child_says_how_it_ended(tmp_path: Path, body: Callable[[], None], code: int) -> None:
    with may_fork():
        pid = fork(Program("child", body), Lifeline(), tmp_path / "logs" / "child.log")
    assert exit_code(pid) == code


def test_a_child_writes_into_its_own_private_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "child.log"
    pid = fork(
        Program("child", lambda: exec("import os; os.write(1, b'out\\n'); os.write(2, b'err\\n')")), Lifeline(), log
    )
    assert exit_code(pid) == 0
    assert log.read_text() == "out\nerr\n"
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_ctrl_c_in_the_terminal_does_not_reach_a_child(tmp_path: Path) -> None:
    with may_fork():
        pid = fork(Program("child", lambda: time.sleep(60)), Lifeline(), tmp_path / "child.log")
    until(lambda: os.getpgid(pid) == pid, within_s=5, what="a process group of its own")
    os.kill(pid, signal.SIGTERM)
    assert exit_code(pid) == -signal.SIGTERM
