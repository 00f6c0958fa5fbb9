"""The worker of the transport benchmarks and its tasks; started by `rig.Worker`."""

import fcntl
import json
import os
import sys
import time
import uuid
import warnings
from pathlib import Path

from celery import Celery
from celery.exceptions import CPendingDeprecationWarning
from celery.signals import worker_ready

from tests.benchmarks.transport.rig import Marks, create_app


def add_tasks(app: Celery, folder: Path) -> None:
    done = Marks(folder / "done")

    @app.task(name="hop")
    def hop() -> None:
        """Do nothing: what is measured is all around it."""

    @app.task(name="mark")
    def mark(number: int, sleep_s: float = 0.0) -> None:
        done.add(number)
        time.sleep(sleep_s)

    @app.task(name="gate")
    def gate() -> None:
        (folder / f"at-gate-{uuid.uuid4()}").touch()
        with (folder / "gate").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)


def main() -> None:
    # Celery's reminder of a setting that is chosen here on purpose.
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
    url, transport, options, folder = json.loads(os.environ["BENCH_WORKER"])
    app = create_app(url, transport, **options)
    add_tasks(app, Path(folder))
    worker_ready.connect(lambda **_: (Path(folder) / "ready").touch(), weak=False)
    app.worker_main(sys.argv[1:])


if __name__ == "__main__":
    main()
