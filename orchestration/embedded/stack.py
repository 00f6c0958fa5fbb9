"""Starting, watching and stopping all processes of the embedded stack."""

import gc
import importlib
import logging
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from types import FrameType

from orchestration.embedded import server
from orchestration.embedded.children import Program, fork, has_exited
from orchestration.embedded.datadir import DataDir, StackNote
from orchestration.embedded.lifeline import Lifeline
from orchestration.outbound.browser_found import require_browser
from orchestration.roles import run_keeper, run_webhooks, run_worker
from orchestration.settings import Settings
from orchestration.storage.migrate import migrate
from orchestration.wiring import Wiring, catalog_of

log = logging.getLogger(__name__)

STOP_GRACE_S = 30.0
"""How long what is running may take to finish after the first Ctrl-C."""
POLL_S = 0.1
RESTART_PAUSE_S = 1.0
BROKER = "broker"
PRELOAD = ("celery.apps.worker", "celery.concurrency.thread", "celery.worker.consumer", "kombu.transport.redis")
"""Imported once before the forks, so that every worker shares them."""


class Stack:
    """The supervisor of an embedded stack. Has no threads, because it forks."""

    def __init__(
        self,
        settings: Settings,
        *,
        extra: Sequence[Program] = (),
        api_url: str | None = None,
        log_dir: Path | None = None,
        parent: Lifeline | None = None,
    ) -> None:
        self._settings = settings
        self._data = DataDir(settings.data_dir)
        self._lifeline = Lifeline()
        self._extra = extra
        self._api_url = api_url
        self._log_dir = log_dir
        self._parent = parent
        self._children: dict[int, Program] = {}
        self._restart_at: list[tuple[float, Program]] = []
        self._interrupts = 0

    def run(self, *, check: Callable[[], None] = lambda: None, on_ready: Callable[[], None] = lambda: None) -> None:
        """Start everything, supervise until SIGINT or SIGTERM, stop everything.

        `check` is called once the database is ready; what it raises ends the start.
        Raises `DataDirInUse`, or `MachineryFailed` when the broker or the database does not start.
        """
        self._data.lock()
        try:
            self._catch_signals()
            self._start(check)
            on_ready()
            self._supervise()
        finally:
            self._stop()

    # starting

    def _start(self, check: Callable[[], None]) -> None:
        if self._settings.is_embedded:
            self._fork(self._guardian())
        preload()
        if self._settings.is_embedded:
            server.wait_until_up(self._settings.socket_path)
        self._prepare_records()
        check()
        gc.freeze()
        for program in self._programs():
            self._fork(program)
        self._announce()

    def _guardian(self) -> Program:
        data_dir, socket_path = self._settings.data_dir / "broker", self._settings.socket_path
        body = partial(server.guard_server, data_dir, socket_path, self._lifeline)
        return Program(BROKER, body, watches_lifeline_itself=True)

    def _prepare_records(self) -> None:
        migrate(self._settings.sql_url)
        with closing(Wiring(self._settings)) as wiring:
            resumed = wiring.records.resume_interrupted(at=wiring.clock.now())
        if resumed:
            log.info("resuming %d interrupted stages", resumed)

    def _programs(self) -> list[Program]:
        catalog = catalog_of(self._settings)
        if self._settings.render:
            require_browser(self._settings)
        workers = [Program(f"worker-{stage}", partial(run_worker, self._settings, stage)) for stage in catalog.stages]
        others = [
            Program("keeper", partial(run_keeper, self._settings)),
            Program("webhooks", partial(run_webhooks, self._settings)),
        ]
        return [*self._extra, *workers, *others]

    def _fork(self, program: Program) -> None:
        self._children[fork(program, self._lifeline, self._log_file(program))] = program

    def _announce(self) -> None:
        pids = {program.name: pid for pid, program in self._children.items()}
        self._data.announce(StackNote(os.getpid(), self._api_url, pids))

    def _log_file(self, program: Program) -> Path | None:
        return self._log_dir / f"{program.name}.log" if self._log_dir else None

    # running

    def _catch_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._interrupted)

    def _interrupted(self, _number: int, _frame: FrameType | None) -> None:
        self._interrupts += 1

    def _supervise(self) -> None:
        while not self._interrupts and not self._parent_is_gone(wait_s=POLL_S):
            for program in self._reap():
                log.warning("%s ended; starting it again", program.name)
                self._restart_at.append((time.monotonic() + RESTART_PAUSE_S, program))
            self._restart_due()

    def _parent_is_gone(self, *, wait_s: float) -> bool:
        if self._parent is not None:
            return self._parent.is_cut(wait_s=wait_s)
        time.sleep(wait_s)
        return False

    def _reap(self) -> list[Program]:
        ended = [pid for pid in self._children if has_exited(pid) is not None]
        return [self._children.pop(pid) for pid in ended]

    def _restart_due(self) -> None:
        now = time.monotonic()
        due = [program for at, program in self._restart_at if at <= now]
        self._restart_at = [(at, program) for at, program in self._restart_at if at > now]
        for program in due:
            self._fork(program)
        if due:
            self._announce()

    # stopping

    def _stop(self) -> None:
        self._data.withdraw()
        broker = next((pid for pid, program in self._children.items() if program.name == BROKER), None)
        if broker is not None:
            del self._children[broker]
        self._signal_all(signal.SIGTERM)
        self._wait_for_children()
        self._signal_all(signal.SIGKILL)
        # The broker goes last: workers hand back to it what they have not begun.
        self._lifeline.cut()
        if broker is not None:
            os.waitpid(broker, 0)
        elif self._settings.is_embedded:
            server.stop_orphan(self._settings.socket_path)
        self._data.unlock()

    def _wait_for_children(self) -> None:
        """Until all ended, the grace is over, or a second interrupt says to hurry. Nobody waits for a dead parent."""
        deadline = time.monotonic() + (0 if self._parent_is_gone(wait_s=0) else STOP_GRACE_S)
        first = self._interrupts
        while self._children and time.monotonic() < deadline and self._interrupts <= max(first, 1):
            self._reap()
            time.sleep(POLL_S / 5)

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self._children:
            os.kill(pid, number)


def preload() -> None:
    """Import what every child needs, before it is forked."""
    for module in PRELOAD:
        importlib.import_module(module)
