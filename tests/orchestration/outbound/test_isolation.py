import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from orchestration.outbound.isolation import CPU_GRACE_S, IsolationLimits, ProcessIsolation
from pipeline.clock import SystemClock
from stages.contract import Cancelled, CancelToken, Permanent, Postponed, Scope, StageError, Transient
from tests.support import isolated

CLOCK = SystemClock()
MIB = 1024 * 1024
LIMITS = IsolationLimits(timeout_s=30.0, memory_bytes=256 * MIB)
HASTY = IsolationLimits(timeout_s=1.0, memory_bytes=256 * MIB)


@pytest.fixture(scope="module")
def isolate() -> Iterator[ProcessIsolation]:
    isolation = ProcessIsolation(max_workers=2, preload=["html"], limits=LIMITS)
    yield isolation
    isolation.close()


@pytest.fixture(scope="module")
def hasty(isolate: ProcessIsolation) -> Iterator[ProcessIsolation]:
    isolation = ProcessIsolation(max_workers=2, preload=["html"], limits=HASTY)
    yield isolation
    isolation.close()


def scope(seconds: float = 60.0, token: CancelToken | None = None) -> Scope:
    return Scope(clock=CLOCK, deadline=CLOCK.monotonic() + seconds, token=token or CancelToken())


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def _has_pid(pid_file: Path) -> bool:
    return pid_file.exists() and bool(pid_file.read_text())


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_the_result_comes_back_from_another_process(isolate: ProcessIsolation) -> None:
    assert isolate(scope(), isolated.add, 1, right=2) == 3
    assert isolate(scope(), isolated.pid) != os.getpid()


def test_large_arguments_and_results_pass(isolate: ProcessIsolation) -> None:
    assert isolate(scope(), isolated.measure, bytes(20 * MIB)) == 20 * MIB
    assert len(isolate(scope(), isolated.give, 20 * MIB)) == 20 * MIB


def test_an_endless_loop_in_c_code_times_out_and_its_child_is_killed(hasty: ProcessIsolation, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with pytest.raises(Permanent, match="parse_timeout"):
        hasty(scope(), isolated.spin, str(pid_file))
    assert within(1, lambda: gone(int(pid_file.read_text())))
    assert hasty(scope(), isolated.add, 1) == 2


def test_a_memory_hog_is_stopped(isolate: ProcessIsolation) -> None:
    with pytest.raises(Permanent, match="parse_memory"):
        isolate(scope(), isolated.hog)
    with pytest.raises(Permanent, match="parse_memory"):
        isolate(scope(), isolated.give, 300 * MIB)
    assert isolate(scope(), isolated.add, 1) == 2


def test_a_child_that_dies_is_replaced(isolate: ProcessIsolation) -> None:
    with pytest.raises(Transient, match="parse_crashed"):
        isolate(scope(), isolated.crash)
    with pytest.raises(Transient, match="parse_crashed"):
        isolate(scope(), isolated.leave, 3)
    assert isolate(scope(), isolated.add, 1) == 2


def test_cancelling_kills_the_child_within_a_second(tmp_path: Path) -> None:
    pid_file, token = tmp_path / "pid", CancelToken()
    patient = ProcessIsolation(max_workers=1)

    def cancel_once_it_runs() -> None:
        within(20, lambda: _has_pid(pid_file))
        token.cancel()

    threading.Thread(target=cancel_once_it_runs).start()
    with pytest.raises(Cancelled):
        patient(scope(token=token), isolated.spin, str(pid_file))
    assert within(1, lambda: gone(int(pid_file.read_text())))
    assert patient(scope(), isolated.add, 1) == 2
    patient.close()


def test_the_scopes_deadline_ends_a_call(isolate: ProcessIsolation) -> None:
    with pytest.raises(Transient, match="stage_timeout"):
        isolate(scope(0.4), isolated.spin)


def test_a_call_that_waited_for_a_child_still_gets_its_whole_time(hasty: ProcessIsolation) -> None:
    def code_of_a_spin(_: int) -> str:
        with pytest.raises(StageError) as caught:
            hasty(scope(), isolated.spin)
        return caught.value.code

    with ThreadPoolExecutor(5) as threads:
        assert list(threads.map(code_of_a_spin, range(5))) == ["parse_timeout"] * 5


ERRORS = [
    Permanent("no_article"),
    Permanent("parse_failed", "A sentence."),
    Transient("parse_crashed"),
    Postponed("dependency_unavailable", delay_s=3.5),
    Cancelled(),
]


@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_stage_errors_come_through_as_they_are(isolate: ProcessIsolation, error: StageError) -> None:
    with pytest.raises(type(error)) as caught:
        isolate(scope(), isolated.fail, error)
    assert _facts(caught.value) == _facts(error)


@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_stage_errors_can_be_pickled(error: StageError) -> None:
    assert _facts(pickle.loads(pickle.dumps(error))) == _facts(error)


def _facts(error: StageError) -> tuple[object, ...]:
    return type(error), str(error), error.code, error.message, getattr(error, "delay_s", None)


def test_a_defect_comes_with_the_childs_traceback(isolate: ProcessIsolation) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        isolate(scope(), isolated.fail, ZeroDivisionError("a defect"))
    assert "isolated.py" in str(caught.value.__cause__)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_a_child_cannot_end_the_worker(isolate: ProcessIsolation, error: BaseException) -> None:
    with pytest.raises(RuntimeError, match=type(error).__name__):
        isolate(scope(), isolated.fail, error)


def test_an_exception_that_cannot_be_pickled_does_not_break_the_pool(isolate: ProcessIsolation) -> None:
    with pytest.raises(RuntimeError, match="Awkward: this and that"):
        isolate(scope(), isolated.fail_awkwardly)
    assert isolate(scope(), isolated.add, 1) == 2


def test_a_broken_pool_is_replaced(isolate: ProcessIsolation) -> None:
    pool = isolate.start()
    pool.stop()  # type: ignore[no-untyped-call]
    with pytest.raises(Transient, match="parse_crashed"):
        isolate(scope(), isolated.add, 1)
    assert isolate(scope(), isolated.add, 1) == 2
    assert isolate.start() is not pool


def test_a_fork_server_that_cannot_start_is_transient(tmp_path: Path) -> None:
    (tmp_path / "defective.py").write_text("1 / 0")
    script = """
from orchestration.outbound.isolation import ProcessIsolation
from stages.contract import Transient
try:
    ProcessIsolation(max_workers=1, preload=["defective"]).start()
except Transient as error:
    print(error.code)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path.cwd())])}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, timeout=30, check=False)
    assert done.stdout.strip() == b"parse_crashed"


def test_modules_are_preloaded_and_children_are_replaced_in_time() -> None:
    isolation = ProcessIsolation(max_workers=1, limits=IsolationLimits(max_calls=2))
    assert "html" in isolation(scope(), isolated.modules)  # the fork server is shared with `isolate`
    first = isolation(scope(), isolated.pid)
    assert isolation(scope(), isolated.pid) != first
    isolation.close()


def test_closing_kills_what_is_running(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    isolation = ProcessIsolation(max_workers=1)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(isolation, scope(30), isolated.spin, str(pid_file))
        assert within(20, lambda: _has_pid(pid_file))
        started = time.monotonic()
        isolation.close()
        assert time.monotonic() - started < 2
        assert within(1, lambda: gone(int(pid_file.read_text())))
        with pytest.raises(Transient, match="parse_crashed"):
            running.result()


WORKER = """
import sys, threading
from pathlib import Path
directory = Path(sys.argv[1])
with (directory / "imports").open("a") as log:
    log.write(__name__ + "\\n")

if __name__ == "__main__":
    from orchestration.outbound.isolation import ProcessIsolation
    from pipeline.clock import SystemClock
    from stages.contract import Scope
    from tests.support.isolated import spin
    isolate = ProcessIsolation(max_workers=2)
    scope = Scope(clock=SystemClock(), deadline=1e12)
    threading.Thread(target=isolate, args=(scope, spin, str(directory / "pid-1"))).start()
    isolate(scope, spin, str(directory / "pid-2"))
"""


def test_a_killed_worker_leaves_no_process_behind_and_its_main_module_is_imported_once(tmp_path: Path) -> None:
    script = tmp_path / "worker"
    script.write_text(WORKER)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path) + os.pathsep + str(Path.cwd()),
    }
    worker = subprocess.Popen([sys.executable, str(script), str(tmp_path)], env=environment)
    family: list[psutil.Process] = []
    try:
        assert within(30, lambda: len(_pids(tmp_path)) == 2)
        family = psutil.Process(worker.pid).children(recursive=True)
        assert {process.pid for process in family} >= _pids(tmp_path)
        worker.send_signal(signal.SIGKILL)
        worker.wait(5)
        assert within(3, lambda: all(gone(process.pid) for process in family))
    finally:
        worker.kill()
        worker.wait(5)
        for process in (process for process in family if process.is_running()):
            process.kill()
    assert (tmp_path / "imports").read_text() == "__main__\n"


def _pids(directory: Path) -> set[int]:
    return {int(text) for path in directory.glob("pid-*") if (text := path.read_text())}


def test_a_call_may_use_little_more_processor_time_than_time() -> None:
    with closing(ProcessIsolation(max_workers=1, limits=IsolationLimits(timeout_s=7))) as isolate:
        used_s, limit_s = isolate(scope(), isolated.processor_time)
    assert used_s + 7 <= limit_s <= used_s + 7 + CPU_GRACE_S + 1
