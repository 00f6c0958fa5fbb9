"""Fair shares: what is launched at once, and whose turn it is when not all can be.

A tenant with little in the queues of a lane has its jobs launched as they come. All others are held back and launched
in turn among the tenants, as fast as workers take them: never more than a stage's workers have used up by the time
somebody looks again. So whoever comes new finds short queues, however much others have submitted.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from math import ceil
from typing import Protocol

from pipeline.job import Job, Lane

AT_ONCE = 16
"""Stages of a tenant on one lane that may wait or run for its next job to be launched as it comes."""
MOST_LAUNCHED = 1000
"""Stages of a tenant on one lane that are launched and not over; those that wait to be tried again included."""
LEAST_WAITING = 8
"""That a stage may have waiting, however small its workers."""
WAITING_EACH = 2
"""Stages that may wait for each that the workers run at once."""
REACH_S = 0.5
REACH_LOOKS = 4
"""What the workers do in so long, and in so many looks as they come at the time, may wait: on a machine so busy that
looks come late, more has to."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Held jobs that wait in one line: of one pipeline, and of a batch, submitted one by one, or to run again."""

    tenant_id: str
    lane: Lane
    name: str
    stages: tuple[str, ...] = field(default=(), compare=False)
    """That the next of them has before it."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a tenant has launched on a lane that is at one stage."""

    tenant_id: str
    lane: Lane
    stage: str
    waiting: int = 0
    """Ready and due."""
    running: int = 0
    parked: int = 0
    """Ready but not due: to be tried again later."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A run that is held back no more."""

    job: Job
    """Without its stages."""
    stage: str
    """That it begins at."""
    lane: Lane


def flow_of(pipeline: str, batch_id: str | None = None, *, run: int = 1) -> str:
    """The name of the line in which a run waits.

    >>> flow_of("default"), flow_of("default", run=2), flow_of("default", "0198")
    (':default', 'again:default', '0198:default')
    """
    return f"{'again' if run > 1 else batch_id or ''}:{pipeline}"


def waiting_limit(concurrency: int, launched_per_s: float, look_every_s: float = 0.0) -> int:
    """How many may wait at a stage whose workers run so many at once, by what was launched lately.

    >>> waiting_limit(1, 0), waiting_limit(16, 3.5), waiting_limit(16, 200), waiting_limit(16, 20, look_every_s=1)
    (8, 32, 100, 80)
    """
    reach_s = max(REACH_S, REACH_LOOKS * look_every_s)
    return max(LEAST_WAITING, WAITING_EACH * concurrency, ceil(launched_per_s * reach_s))


def turns(
    flows: Sequence[Flow],
    loads: Sequence[Load],
    limits: Mapping[tuple[Lane, str], int],
    *,
    most: int,
    served: Mapping[Flow, int] | None = None,
    weights: Mapping[str, int] | None = None,
) -> list[Flow]:
    """Which lines have the next turns, in order, up to `most`.

    The tenant with the least in work for its weight comes first; among its lines, and among equals, the one `served`
    longest ago. A line has no turn while as many as `limits` allow wait at a stage that its next job has before it, or
    wait to come there. A stage without a limit has no workers, and holds nobody back.

    >>> big, small = (Flow(name, Lane.NORMAL, ":default", ("fetch",)) for name in ("big", "small"))
    >>> loads, limits = [Load("big", Lane.NORMAL, "fetch", waiting=2, running=4)], {(Lane.NORMAL, "fetch"): 5}
    >>> [flow.tenant_id for flow in turns([big, small], loads, limits, most=100)]
    ['small', 'small', 'small']
    """
    room = _Room(loads, limits, weights or {})
    last = dict(served or {})
    now = max(last.values(), default=0)
    line = [(room.share(flow), last.get(flow, 0), place, flow) for place, flow in enumerate(flows)]
    heapify(line)
    chosen: list[Flow] = []
    while line and len(chosen) < most:
        share, _, place, flow = heappop(line)
        if share < room.share(flow):
            # Another line of the tenant had a turn since.
            heappush(line, (room.share(flow), last.get(flow, 0), place, flow))
        elif room.has(flow):
            room.take(flow)
            chosen.append(flow)
            last[flow] = now + len(chosen)
            heappush(line, (room.share(flow), last[flow], place, flow))
    return chosen


class _Room:
    """How much may still be launched."""

    def __init__(
        self, loads: Sequence[Load], limits: Mapping[tuple[Lane, str], int], weights: Mapping[str, int]
    ) -> None:
        self._limits = limits
        self._weights = weights
        self._waiting: Counter[tuple[Lane, str]] = Counter()
        self._at_work: Counter[tuple[str, Lane]] = Counter()
        self._launched: Counter[tuple[str, Lane]] = Counter()
        for load in loads:
            self._waiting[load.lane, load.stage] += load.waiting
            self._at_work[load.tenant_id, load.lane] += load.waiting + load.running
            self._launched[load.tenant_id, load.lane] += load.waiting + load.running + load.parked

    def share(self, flow: Flow) -> float:
        """What the tenant has in work, for its weight."""
        return self._at_work[flow.tenant_id, flow.lane] / self._weights.get(flow.tenant_id, 1)

    def has(self, flow: Flow) -> bool:
        """Whether the next one of this line may be launched."""
        if self._launched[flow.tenant_id, flow.lane] >= MOST_LAUNCHED:
            return False
        waiting = 0
        for place in self._manned(flow):
            # Those that wait at a stage before it come here, too.
            waiting += self._waiting[place]
            if waiting >= self._limits[place]:
                return False
        return True

    def take(self, flow: Flow) -> None:
        """Count one more that waits at its first stage."""
        for place in self._manned(flow)[:1]:
            self._waiting[place] += 1
        self._at_work[flow.tenant_id, flow.lane] += 1
        self._launched[flow.tenant_id, flow.lane] += 1

    def _manned(self, flow: Flow) -> list[tuple[Lane, str]]:
        return [(flow.lane, stage) for stage in flow.stages if (flow.lane, stage) in self._limits]


class ShareRecords(Protocol):
    """What the records keep of runs that are held back. Each method is one transaction.

    Raises `RecordsUnavailable` when the database does not answer.
    """

    def flows(self) -> Sequence[Flow]:
        """The lines in which a held run is due."""

    def loads(self) -> Sequence[Load]:
        """What is launched and not over."""

    def admit(self, numbers: Mapping[Flow, int]) -> Sequence[Admitted]:
        """Make the first stages of the next runs that are due ready, counted as launched once: the caller publishes.

        As many of each line as `numbers` says, by when they are due and then by age. Those that have ended while they
        were held are let go.
        """
