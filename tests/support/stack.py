"""The whole of Penstock as its users run it: `penstock up` in processes of its own, spoken to over HTTP.

    with live_stack(io_concurrency=1) as stack:
        job_id = stack.submit(url=origin.url("/page"))
        assert stack.wait(job_id)["status"] == "succeeded"

Leaving the block stops the stack, which has to end well and leave no process behind.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import psutil
import redis

from orchestration.embedded.datadir import DataDir, StackNote
from orchestration.settings import Settings
from tests.support.hosts import MarkedLlm
from tests.support.waiting import NeverHappened, until

ROOT = Path(__file__).parents[2]
LOOPBACK = "127.0.0.0/8"
START_WITHIN_S = 90
STOP_WITHIN_S = 45
"""More than the stack's own grace for what is running."""
GONE_WITHIN_S = 10
END_WITHIN_S = 60
BREAKER_RESET_S = 3
"""Of the stack that most tests share."""
LOG_CHARS = 6_000
ENDED = {"succeeded", "failed", "cancelled"}

JobView = dict[str, Any]
T = TypeVar("T")


class LiveStack:
    """One data directory, and the stack that runs on it. May be started again after it has ended."""

    def __init__(self, root: Path, **settings: object) -> None:
        self.data_dir = root / "data"
        self.log = root / "stack.log"
        self.environ = _environ(self.data_dir, settings)
        self._process: subprocess.Popen[bytes] | None = None
        self._client: httpx.Client | None = None

    # lifecycle

    def start(self) -> Self:
        """Run `penstock up` and return once it says that it is ready."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "api", "up"],
                cwd=ROOT,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # As a shell does it: the stack is a process group of its own, and a Ctrl-C goes to the group.
                process_group=0,
            )
        note = self._told(self._ready_note, START_WITHIN_S, "the stack to be ready")
        self._client = httpx.Client(base_url=str(note.api_url), timeout=20, trust_env=False)
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ask the stack to end: it has to, with status 0, and nothing may be left of it."""
        os.killpg(self._supervisor.pid, number)
        status = self.wait_for_end()
        assert status == 0, f"penstock up ended with {status}\n{self.log_tail()}"
        self.assert_gone()

    def kill(self) -> None:
        """SIGKILL `penstock up`, and only that: its children have to notice by themselves."""
        self._supervisor.kill()
        self.wait_for_end()

    def wait_for_end(self) -> int:
        """The exit status of `penstock up`."""
        status = self._supervisor.wait(STOP_WITHIN_S)
        self._forget()
        return status

    def assert_gone(self) -> None:
        """Fail if a process of this stack goes on living."""
        until(lambda: not self.family(), within_s=GONE_WITHIN_S, what=f"the end of {self.family()}")

    @property
    def is_running(self) -> bool:
        """Whether the supervisor lives."""
        return self._process is not None and self._process.poll() is None

    def family(self) -> list[psutil.Process]:
        """Every living process that was started for this data directory, whoever is its parent by now."""
        return [process for process in psutil.process_iter() if _belongs(process, str(self.data_dir))]

    def clean_up(self) -> None:
        """Leave nothing behind, whatever state a test left the stack in."""
        try:
            if self.is_running:
                self.stop()
            self.assert_gone()
        finally:
            self._forget()
            for process in self.family():
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    # jobs

    @property
    def client(self) -> httpx.Client:
        """Speaks to the API."""
        assert self._client is not None, "the stack does not run"
        return self._client

    def submit(self, **body: object) -> str:
        """Submit a job; returns its id."""
        answer = self.client.post("/v1/jobs", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str) -> JobView:
        """The job as it is now."""
        return dict(self._json(f"/v1/jobs/{job_id}"))

    def stage(self, job_id: str, name: str) -> JobView:
        """One stage of the job as it is now."""
        return stage_of(self.job(job_id), name)

    def result(self, job_id: str) -> dict[str, Any]:
        """The final document."""
        return dict(self._json(f"/v1/jobs/{job_id}/result"))

    def wait(self, job_id: str, within_s: float = END_WITHIN_S) -> JobView:
        """The job once it has ended."""
        return self.wait_all([job_id], within_s)[0]

    def wait_all(self, job_ids: Iterable[str], within_s: float = END_WITHIN_S) -> list[JobView]:
        """The jobs, in the same order, once all of them have ended."""
        ids = list(job_ids)
        views: dict[str, JobView] = {}

        def all_ended() -> bool:
            for job_id in ids:
                if job_id not in views:
                    view = self.job(job_id)
                    if view["status"] not in ENDED:
                        return False
                    views[job_id] = view
            return True

        self._told(all_ended, within_s, f"the end of {len(ids)} jobs")
        return [views[job_id] for job_id in ids]

    # the insides

    def worker_pid(self, stage: str) -> int:
        """The process that works on a stage."""
        note = DataDir(self.data_dir).running()
        assert note is not None, "the stack does not run"
        return note.pids[f"worker-{stage}"]

    def broker(self) -> redis.Redis:
        """A client of the embedded broker, over its socket. Close it."""
        path = Settings(data_dir=self.data_dir, broker_url=None).socket_path
        return redis.Redis(unix_socket_path=str(path), socket_timeout=10)

    def payload_files(self, job_id: str) -> list[Path]:
        """What the payload folder holds of a job."""
        return sorted(path for path in (self.data_dir / "payloads").rglob(f"*/{job_id}/**/*") if path.is_file())

    def log_tail(self) -> str:
        """The end of what the stack said."""
        return self.log.read_text(errors="replace")[-LOG_CHARS:] if self.log.exists() else ""

    @property
    def _supervisor(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the stack does not run"
        return self._process

    def _ready_note(self) -> StackNote | None:
        if self._supervisor.poll() is not None:
            raise NeverHappened(f"penstock up ended with {self._supervisor.returncode}")
        note = DataDir(self.data_dir).running()
        return note if note is not None and note.pid == self._supervisor.pid else None

    def _json(self, path: str) -> Any:
        answer = self.client.get(path)
        assert answer.status_code == 200, f"{path}: {answer.text}"
        return answer.json()

    def _told(self, probe: Callable[[], T | None], within_s: float, what: str) -> T:
        """`until`, and what the stack said if it fails."""
        try:
            return until(probe, within_s=within_s, what=what)
        except NeverHappened as error:
            raise NeverHappened(f"{error}\n{self.log_tail()}") from None

    def _forget(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = self._process = None


@contextmanager
def live_stack(**settings: object) -> Iterator[LiveStack]:
    """A started stack on a data directory of its own, reaching loopback; settings by their names."""
    # Not pytest's folder: the path of a Unix socket may have about a hundred bytes.
    with tempfile.TemporaryDirectory(prefix="penstock-") as root:
        stack = LiveStack(Path(root), **settings)
        try:
            yield stack.start()
        finally:
            stack.clean_up()


@dataclass(frozen=True)
class Narrow:
    """A stack that does one thing at a time in each `io` stage, and the language model it asks."""

    stack: LiveStack
    llm: MarkedLlm


def stage_of(view: JobView, name: str) -> JobView:
    """One stage of a job's view."""
    return next(stage for stage in view["stages"] if stage["name"] == name)


def outcomes(stage: JobView) -> list[str | None]:
    """How the attempts of a stage ended, in order."""
    return [attempt["outcome"] for attempt in stage["timeline"]]


def _environ(data_dir: Path, settings: dict[str, object]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    # The one setting that comes from outside, so that the same tests run on either transport.
    transport = os.environ.get("PENSTOCK_BROKER_TRANSPORT", "streams")
    own = {"api_port": 0, "allow_networks": LOOPBACK, "broker_transport": transport}
    chosen = {**own, **settings, "data_dir": data_dir}
    return inherited | {f"PENSTOCK_{name.upper()}": str(value) for name, value in chosen.items()}


def _belongs(process: psutil.Process, data_dir: str) -> bool:
    """By its environment, or by its command line where a server has written over its environment."""
    try:
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        named = any(data_dir in word for word in process.cmdline())
        return named or process.environ().get("PENSTOCK_DATA_DIR") == data_dir
    except psutil.Error:
        return False
