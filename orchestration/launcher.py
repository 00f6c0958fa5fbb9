"""Launches runs that are held back, in turn among the tenants and as fast as workers take them."""

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from celery import Celery

from orchestration.launch import launch_or_leave, leave_to_keeper
from pipeline import events
from pipeline.errors import BrokerUnavailable, MachineryFailed
from pipeline.events import Announcer
from pipeline.ids import StageKey
from pipeline.job import FIRST_RUN, Lane
from pipeline.ports import Records
from pipeline.shares import Admitted, Flow, turns, waiting_limit
from stages.contract import Clock

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1
"""Less than workers need for what may wait at a stage, so that they never run dry."""
PATIENCE_S = 1.0
"""Between looks while a part of the installation is down."""
LAUNCHES_PER_TURN = 100
"""Admitted in one transaction, and left to the keeper if the broker goes away."""
PUBLISHERS = 8
"""Threads that wait for the broker side by side."""
RATE_OVER_S = 2.0
RATE_OVER_LOOKS = 5
"""Rates are of so long, or of so many turns as they come at the time."""
SLOWER = 0.7
"""Of what is known of the time between turns, when one came sooner."""
KNOWN_FOR_S = 1.0
"""What workers and weights there are."""


class Rates:
    """How many runs were launched on each lane, by the second."""

    def __init__(self) -> None:
        self._launched: deque[tuple[float, Lane]] = deque()

    def note(self, now_s: float, lanes: Sequence[Lane]) -> None:
        """These were launched now."""
        self._launched.extend((now_s, lane) for lane in lanes)

    def per_s(self, now_s: float, over_s: float) -> Mapping[Lane, float]:
        """In the last `over_s`; nothing of a lane on which nothing was launched."""
        while self._launched and self._launched[0][0] <= now_s - over_s:
            self._launched.popleft()
        counted = Counter(lane for _, lane in self._launched)
        return {lane: launched / over_s for lane, launched in counted.items()}


class Launcher:
    """A thread of the keeper's process; only that of the leading keeper has turns.

    Should two have turns at once, each run is admitted by one of them all the same.
    """

    def __init__(
        self, records: Records, app: Celery, announcer: Announcer, clock: Clock, *, is_leading: Callable[[], bool]
    ) -> None:
        self._records = records
        self._app = app
        self._announcer = announcer
        self._clock = clock
        self._is_leading = is_leading
        self._rates = Rates()
        self._served: dict[Flow, int] = {}
        self._concurrency: Mapping[str, int] = {}
        self._weights: Mapping[str, int] = {}
        self._looked_at_s: float | None = None
        self._turned_at_s: float | None = None
        self._turn_every_s = 0.0
        """Some seconds after it was longest."""
        self._pool = ThreadPoolExecutor(PUBLISHERS, "publisher")

    def run(self, stop: Event) -> None:
        """Have a turn ten times a second until told to stop."""
        pause_s = LOOK_EVERY_S
        while not stop.wait(pause_s):
            pause_s = self._turn_safely()
        self._pool.shutdown()

    def turn(self) -> int:
        """Launch what workers have room for; returns how many runs. Raises `MachineryFailed`."""
        self._note_turn()
        flows = self._records.flows()
        if not flows:
            return 0
        limits = self._limits()
        loads = self._records.loads()
        chosen = turns(flows, loads, limits, most=LAUNCHES_PER_TURN, served=self._served, weights=self._weights)
        if not chosen:
            return 0
        admitted = self._records.admit(Counter(chosen))
        self._note(flows, chosen)
        self._publish(admitted)
        return len(admitted)

    def _turn_safely(self) -> float:
        """Returns how long to wait for the next turn."""
        if not self._is_leading():
            return PATIENCE_S
        try:
            self.turn()
        except MachineryFailed as error:
            log.warning("waiting: %s", error)
            return PATIENCE_S
        except Exception:
            log.exception("launching failed")
            return PATIENCE_S
        return LOOK_EVERY_S

    def _limits(self) -> Mapping[tuple[Lane, str], int]:
        now_s = self._clock.monotonic()
        if self._looked_at_s is None or now_s - self._looked_at_s >= KNOWN_FOR_S:
            self._concurrency, self._looked_at_s = self._at_once(), now_s
            self._weights = {tenant.id: tenant.weight for tenant in self._records.tenants()}
        rates = self._rates.per_s(now_s, max(RATE_OVER_S, RATE_OVER_LOOKS * self._turn_every_s))
        return {
            (lane, stage): waiting_limit(concurrency, rates.get(lane, 0.0), self._turn_every_s)
            for lane in Lane
            for stage, concurrency in self._concurrency.items()
        }

    def _note_turn(self) -> None:
        now_s = self._clock.monotonic()
        if self._turned_at_s is not None:
            self._turn_every_s = max(now_s - self._turned_at_s, SLOWER * self._turn_every_s)
        self._turned_at_s = now_s

    def _at_once(self) -> Mapping[str, int]:
        """How many attempts at each stage are made at once by workers that take something."""
        counted: Counter[str] = Counter()
        paused = self._records.paused()
        for worker in self._records.workers():
            for stage in worker.stages:
                if stage not in paused:
                    counted[stage] += worker.concurrency
        return counted

    def _note(self, flows: Sequence[Flow], chosen: Sequence[Flow]) -> None:
        self._rates.note(self._clock.monotonic(), [flow.lane for flow in chosen])
        latest = max(self._served.values(), default=0)
        served = self._served | {flow: latest + place for place, flow in enumerate(chosen, 1)}
        self._served = {flow: served[flow] for flow in flows if flow in served}

    def _publish(self, admitted: Sequence[Admitted]) -> None:
        """What the broker does not take is left to the keeper's other ways, without asking it again."""
        is_away = Event()

        def published(each: Admitted) -> bool:
            if is_away.is_set():
                leave_to_keeper(self._records, _first_of(each))
            elif launch_or_leave(self._app, self._records, _first_of(each), each.job.stage_names, each.lane):
                return True
            is_away.set()
            return False

        taken = [each for each, is_taken in zip(admitted, self._pool.map(published, admitted), strict=True) if is_taken]
        # Of others it was announced when they were accepted.
        of_batches = [each.job for each in taken if each.job.batch_id is not None and each.job.run == FIRST_RUN]
        self._announcer.announce(*map(events.queued, of_batches))
        if len(taken) < len(admitted):
            raise BrokerUnavailable("the broker does not take messages")


def _first_of(each: Admitted) -> StageKey:
    return StageKey(each.job.id, each.job.run, each.stage)


def launching(launcher: Launcher, stop: Event) -> threading.Thread:
    """Have turns in a thread of its own until told to stop."""
    thread = threading.Thread(target=launcher.run, args=(stop,), name="launcher", daemon=True)
    thread.start()
    return thread
