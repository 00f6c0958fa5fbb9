"""Live events: what thousands of subscribers cost one API process, and how late events reach them.

A whole stack, a client that holds the streams in a process of its own, and jobs that wait because the worker of their
first stage is stopped. What an idle stream costs is read from the API process: memory, connections to Redis, CPU.
Then events are announced as workers announce them: a few a second to a sample of the jobs, one to each at once; at
last the worker goes on and all jobs run to their ends. An event is late by the time from its id, which is when Redis
appended it, to its arrival.

    python -m tests.benchmarks.subscribers --subscribers 2000

The last line is JSON.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import psutil

from orchestration.embedded.server import find_server
from orchestration.streams.announcer import RedisAnnouncer
from orchestration.transport.urls import read_url
from pipeline.clock import SystemClock
from pipeline.events import Event, EventKind, Topic
from pipeline.job import DEFAULT_TENANT, FIRST_RUN, Lane
from tests.benchmarks import parked
from tests.benchmarks.listeners import Arrival, Listeners
from tests.benchmarks.transport.report import percentile, print_table
from tests.support.brokers import Broker
from tests.support.ports import free_port
from tests.support.stack import LiveStack, live_stack
from tests.support.waiting import until

FIRST_STAGE = "noop1"
MOST_MEMORY_MB = 150
MOST_DELAY_P95_MS = 1000
IDLE_S = 20.0
"""Longer than the time between two heartbeats."""
SAMPLE = 200
SAMPLE_PAUSE_S = 0.05
ROUNDS = 5
EVENTS_KEPT = 20_000
ARRIVE_WITHIN_S = 60
END_WITHIN_S = 600
MB = 2**20


@dataclass(frozen=True)
class Footprint:
    """What the API process holds."""

    when: str
    rss_mb: float
    own_mb: float
    """Shared with no other process of the stack, which are forked from one."""
    redis_connections: int
    files: int


@dataclass(frozen=True)
class Lateness:
    """How late events were."""

    when: str
    events: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, when: str, arrivals: Sequence[Arrival]) -> "Lateness":
        delays = [arrival.delay_ms for arrival in arrivals]
        return cls(when, len(delays), *(percentile(delays, share) for share in (0.5, 0.95, 0.99, 1.0)))


class Measured:
    """A running stack with its listeners, and what was found."""

    def __init__(self, stack: LiveStack, broker: Broker, listeners: Listeners) -> None:
        self.footprints: list[Footprint] = []
        self.lateness: list[Lateness] = []
        self._stack = stack
        self._api = parked.processes(stack)["api"]
        self._broker = broker
        self._listeners = listeners
        self._announcer = RedisAnnouncer(read_url(broker.url), SystemClock(), kept=EVENTS_KEPT)

    def look(self, when: str) -> None:
        """Note what the API process holds now."""
        memory = self._api.memory_full_info()
        to_redis = [
            each for each in self._api.net_connections("tcp") if each.raddr and each.raddr.port == self._broker.port
        ]
        self.footprints.append(Footprint(when, memory.rss / MB, memory.uss / MB, len(to_redis), self._api.num_fds()))

    def idle(self) -> float:
        """Do nothing for a while; returns the API's CPU time in percent."""
        before_s, began_at = _cpu_s(self._api), time.monotonic()
        time.sleep(IDLE_S)
        return 100 * (_cpu_s(self._api) - before_s) / (time.monotonic() - began_at)

    def announce_to(self, when: str, job_ids: Sequence[str], *, rounds: int = 1, pause_s: float = 0.0) -> None:
        """Announce one event to each of these jobs, so many at once as there is no pause between them."""
        self._listeners.heard()
        arrivals: list[Arrival] = []
        for _ in range(rounds):
            if pause_s:
                for job_id in job_ids:
                    self._tell(job_id)
                    time.sleep(pause_s)
            else:
                self._tell(*job_ids)
            arrivals += self._collect(len(job_ids), within_s=ARRIVE_WITHIN_S)
        self.lateness.append(Lateness.of(when, arrivals))

    def run_out(self, when: str, jobs: int) -> None:
        """Wait for the end of all jobs."""
        self._listeners.heard()
        arrivals: list[Arrival] = []

        def all_ended() -> bool:
            time.sleep(1)
            arrivals.extend(self._listeners.heard())
            return sum(arrival.event == EventKind.JOB_SUCCEEDED for arrival in arrivals) >= jobs

        until(all_ended, within_s=END_WITHIN_S, what="the end of all streams")
        self.lateness.append(Lateness.of(when, arrivals))

    def _tell(self, *job_ids: str) -> None:
        assert self._announcer.announce(*map(_event, job_ids)), "Redis does not take events"

    def _collect(self, number: int, *, within_s: float) -> list[Arrival]:
        arrivals: list[Arrival] = []

        def all_came() -> bool:
            arrivals.extend(self._listeners.heard())
            return len(arrivals) >= number

        until(all_came, within_s=within_s, what=f"{number} events")
        return arrivals


def main() -> None:
    arguments = _arguments()
    before = os.getloadavg()
    with _running() as (stack, measured, listeners):
        with parked.stopped(stack, [FIRST_STAGE]):
            job_ids = [stack.submit(url="about:blank", pipeline="noop") for _ in range(arguments.subscribers)]
            measured.look("before")
            opened_s = listeners.open(job_ids)
            measured.look("subscribed")
            cpu_percent = measured.idle()
            measured.look("idle")
            sample = Random(arguments.subscribers).sample(job_ids, min(SAMPLE, len(job_ids)))
            measured.announce_to("to a sample", sample, pause_s=SAMPLE_PAUSE_S)
            measured.announce_to("to all at once", job_ids, rounds=ROUNDS)
            measured.look("after events")
        measured.run_out("all jobs run", len(job_ids))
        measured.look("after the jobs")
    _report(measured, arguments.subscribers, opened_s=opened_s, idle_cpu_percent=cpu_percent, load_before=before)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscribers", type=int, default=2000)
    return parser.parse_args()


@contextmanager
def _running() -> Iterator[tuple[LiveStack, Measured, Listeners]]:
    # A broker on a port, unlike the stack's own, so that connections to it can be told from others.
    with (
        tempfile.TemporaryDirectory(prefix="pb") as folder,
        Broker(find_server(), Path(folder), port=free_port(), appendfsync="everysec") as broker,
        live_stack(broker_url=broker.url, **parked.SETTINGS) as stack,
        Listeners(str(stack.client.base_url)) as listeners,
    ):
        yield stack, Measured(stack, broker, listeners), listeners


def _event(job_id: str) -> Event:
    """Of a kind that may be told any number of times."""
    topic = Topic(DEFAULT_TENANT, job_id, FIRST_RUN, "noop", Lane.NORMAL)
    return Event(EventKind.STAGE_WAITING, topic, datetime.now(UTC), FIRST_STAGE, 1, delay_s=1.0)


def _cpu_s(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


def _report(measured: Measured, subscribers: int, **figures: object) -> None:
    print_table([asdict(footprint) for footprint in measured.footprints])
    print()
    print_table([asdict(lateness) for lateness in measured.lateness])
    connections = {each.when: each.redis_connections for each in measured.footprints}
    goals = {
        "memory": max(each.rss_mb for each in measured.footprints) < MOST_MEMORY_MB,
        "connections": connections["idle"] <= connections["before"],
        "delay": all(each.p95_ms <= MOST_DELAY_P95_MS for each in measured.lateness),
    }
    print(f"\ngoals met: {goals}; load {figures['load_before']} before, {os.getloadavg()} after\n")
    found = {"memory": measured.footprints, "lateness": measured.lateness}
    print(json.dumps({"subscribers": subscribers, **figures, "goals": goals, **found}, default=asdict))


if __name__ == "__main__":
    main()
