"""Jobs that wait for as long as a benchmark wants: the stages that do nothing, and workers that are stopped."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psutil

from orchestration.embedded.datadir import DataDir
from pipeline.composition import Catalog, begin, named
from stages.contract import Article, Source, Tools, stage
from tests.benchmarks import noop
from tests.support.stack import LiveStack

PARKED = "parked"
"""A pipeline of its own, and its first stage: those jobs wait while all others run."""
SETTINGS = {
    "catalog": "tests.benchmarks.parked:CATALOG",
    "log_level": "warning",
    # Nobody is to launch again what waits.
    "relaunch_after_s": 7200,
}


@stage(PARKED)
def park(_source: Source, _tools: Tools) -> Article:
    return Article(text="", markdown="", word_count=0)


CATALOG = Catalog([*noop.CATALOG.pipelines.values(), named(PARKED, begin(park).then(noop.fourth))])


def processes(stack: LiveStack) -> dict[str, psutil.Process]:
    """The processes of a running stack by their names: `api`, `keeper`, `worker-noop1`."""
    note = DataDir(stack.data_dir).running()
    assert note is not None, "the stack does not run"
    return {name: psutil.Process(pid) for name, pid in note.pids.items()}


@contextmanager
def stopped(stack: LiveStack, stages: Sequence[str]) -> Iterator[None]:
    """The workers of these stages do nothing inside this block."""
    workers = [psutil.Process(stack.worker_pid(name)) for name in stages]
    for worker in workers:
        worker.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for worker in workers:
            worker.send_signal(signal.SIGCONT)
