"""Who breaks what and when: drawn from a seed, so that the same seed does the same things at the same times."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from threading import Event

import psutil
import redis

from tests.support.faulty_box import POINTS, FaultBox
from tests.support.faulty_nursery import Child
from tests.support.job_fleet import STAGES, JobFleet

FIRST_AFTER_S = 4.0
PAUSES_S = (1.5, 6.0)
"""Between one fault and the next."""
WEIGHTS = {
    "kill": 6,
    "kill at a point": 6,
    "sigterm": 4,
    "stop": 2,
    "parsing child": 2,
    "cancel": 4,
    "keeper": 1,
    "api": 1,
    "broker killed": 1,
    "broker flushed": 1,
    "broker stopped": 1,
}


@dataclass(frozen=True)
class Planned:
    """One fault. `choice` in [0, 1) says which of those that are there is hit; `lasts_s` how long it takes."""

    at_s: float
    what: str
    stage: str
    choice: float
    lasts_s: float


def plan(seed: int, length_s: float) -> Iterator[Planned]:
    """The faults of a run, in order.

    >>> next(plan(1, 60)) == next(plan(1, 3600))
    True
    """
    random = Random(seed)
    at_s = FIRST_AFTER_S
    while at_s < length_s:
        [what] = random.choices(list(WEIGHTS), list(WEIGHTS.values()))
        yield Planned(at_s, what, random.choice(STAGES), random.random(), random.uniform(1, 8))
        at_s += random.uniform(*PAUSES_S)


class Nemesis:
    """Carries a plan out."""

    def __init__(self, fleet: JobFleet, over: Event) -> None:
        self._fleet = fleet
        self._over = over
        self._began_at = time.monotonic()
        self.done: list[Planned] = []
        self._deeds: dict[str, Callable[[Planned], object]] = {
            "kill": lambda fault: self._to_worker(fault, signal.SIGKILL),
            "kill at a point": self._arm,
            "sigterm": lambda fault: self._to_worker(fault, signal.SIGTERM),
            "stop": self._stop,
            "parsing child": self._kill_parsing_child,
            "cancel": self._cancel,
            "keeper": lambda fault: self._to_the("keeper"),
            "api": lambda fault: self._to_the("api"),
            "broker killed": self._kill_broker,
            "broker flushed": self._flush_broker,
            "broker stopped": self._stop_broker,
        }

    def carry_out(self, faults: Iterator[Planned]) -> None:
        """Do all of it, each at its time; what nobody is there for is left out."""
        for fault in faults:
            if self._over.wait(max(0.0, self._began_at + fault.at_s - time.monotonic())):
                return
            with suppress(StopIteration, IndexError, ProcessLookupError, psutil.NoSuchProcess):
                self._deeds[fault.what](fault)
                self.done.append(fault)

    @property
    def _box(self) -> FaultBox:
        return self._fleet.box

    def _worker(self, fault: Planned) -> Child:
        workers = sorted(self._fleet.workers(fault.stage), key=lambda child: child.pid)
        return workers[int(fault.choice * len(workers))]

    def _to_worker(self, fault: Planned, number: signal.Signals) -> None:
        self._fleet.hurt(self._worker(fault), number, fault.what)

    def _arm(self, fault: Planned) -> None:
        """The next one that comes by dies there."""
        self._box.arm(POINTS[int(fault.choice * len(POINTS))], fault.stage)

    def _to_the(self, role: str) -> None:
        self._fleet.hurt(self._fleet.the(role), signal.SIGKILL, role)

    def _stop(self, fault: Planned) -> None:
        worker = self._worker(fault)
        self._fleet.hurt(worker, signal.SIGSTOP, "stop", lasts_s=fault.lasts_s)
        self._over.wait(fault.lasts_s)
        worker.signal(signal.SIGCONT)

    def _kill_parsing_child(self, fault: Planned) -> None:
        workers = self._fleet.workers("extract")
        parser = workers[int(fault.choice * len(workers))]
        children = psutil.Process(parser.pid).children(recursive=True)
        victim = children[int(fault.choice * len(children))]
        self._box.note("fault", kind=fault.what, stage="extract", pid=victim.pid)
        victim.kill()

    def _cancel(self, fault: Planned) -> None:
        latest = self._fleet.told.accepted[-8:]
        job = latest[int(fault.choice * len(latest))]
        if self._fleet.cancel(job):
            self._box.note("fault", kind="cancel", job=job.id)

    def _kill_broker(self, fault: Planned) -> None:
        self._note_broker(fault)
        self._fleet.broker.kill()
        self._over.wait(fault.lasts_s)
        self._fleet.broker.start()

    def _flush_broker(self, fault: Planned) -> None:
        self._note_broker(fault)
        with suppress(redis.RedisError):
            self._fleet.broker.run("FLUSHALL")

    def _stop_broker(self, fault: Planned) -> None:
        self._note_broker(fault)
        self._fleet.broker.pause()
        self._over.wait(fault.lasts_s)
        self._fleet.broker.resume()

    def _note_broker(self, fault: Planned) -> None:
        self._box.note("fault", kind=fault.what, stage="broker")
