"""What one process knows of hosts."""

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock

from orchestration.outbound.hosts import EARLY_S, HELD_SPACING_S, LATE_S, USUAL_VISIT_S, HostPace
from stages.contract import Visitor
from stages.contract.tools import Clock

NEVER = float("-inf")


@dataclass(slots=True)
class _Host:
    tail: float = NEVER
    """The last slot that was given; on the monotonic clock, as all of these."""
    urgent_tail: float = NEVER
    last: float = NEVER
    """The slot of the latest who was let in."""
    held_until: float = NEVER
    visit_s: float = USUAL_VISIT_S
    """How long a visit lasts: the mean, of which the latest counts a fifth."""
    slots: dict[str, float] = field(default_factory=dict)
    inside: dict[str, float] = field(default_factory=dict)
    """Until when each visit is taken to last at most."""

    def enter(self, visitor: Visitor, pace: HostPace, lease_s: float, now: float) -> float:
        self._forget(now)
        slot = self.slots.get(visitor.id, NEVER)
        if slot > now + EARLY_S and self.held_until <= now:
            return slot - now
        if self.held_until > now:
            return self._slot(visitor, max(pace.interval_s, HELD_SPACING_S), self.held_until) - now
        is_due = slot != NEVER and (visitor.is_urgent or slot >= self.urgent_tail + 0.9 * pace.interval_s)
        at = now if is_due or not pace.interval_s else self._next(visitor, pace.interval_s, now)
        if at > now + EARLY_S:
            return self._slot(visitor, pace.interval_s, now) - now
        if pace.most and len(self.inside) >= pace.most and visitor.id not in self.inside:
            spacing_s = max(pace.interval_s, self.visit_s / pace.most)
            return spacing_s if is_due else self._slot(visitor, spacing_s, now + spacing_s) - now
        if pace.interval_s:
            self.last = max(self.last, slot if is_due else at)
        if pace.interval_s and not is_due:
            self._move_tail(visitor, at)
        if pace.most:
            self.inside[visitor.id] = now + lease_s
        self.slots.pop(visitor.id, None)
        return 0.0

    def _forget(self, now: float) -> None:
        self.inside = {visitor: until for visitor, until in self.inside.items() if until > now}
        self.slots = {visitor: slot for visitor, slot in self.slots.items() if slot > now - LATE_S}

    def _next(self, visitor: Visitor, spacing_s: float, earliest: float) -> float:
        """The slot after the last one of the line; an urgent visitor has only the urgent ones before him."""
        before = max(self.urgent_tail, self.last) if visitor.is_urgent else self.tail
        return max(earliest, before + spacing_s)

    def _slot(self, visitor: Visitor, spacing_s: float, earliest: float) -> float:
        slot = self._next(visitor, spacing_s, earliest)
        self._move_tail(visitor, slot)
        self.slots[visitor.id] = slot
        return slot

    def _move_tail(self, visitor: Visitor, slot: float) -> None:
        self.tail = max(self.tail, slot)
        if visitor.is_urgent:
            self.urgent_tail = slot


class LocalHosts:
    """Implements `HostStates` for the threads of one process.

    - `max_hosts`: how many are kept, and as many robots.txt; those not used for longest are forgotten first.
    """

    def __init__(self, clock: Clock, *, max_hosts: int = 1024) -> None:
        self._clock = clock
        self._max_hosts = max_hosts
        self._hosts: OrderedDict[str, _Host] = OrderedDict()
        self._robots: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._lock = Lock()

    def enter(self, host: str, visitor: Visitor, pace: HostPace, lease_s: float) -> float:
        """Ask to visit now."""
        with self._lock:
            return self._host(host).enter(visitor, pace, lease_s, self._clock.monotonic())

    def leave(self, host: str, visitor: Visitor, took_s: float) -> None:
        """The visit is over."""
        with self._lock:
            known = self._host(host)
            if known.inside.pop(visitor.id, None) is not None:
                known.visit_s += (took_s - known.visit_s) / 5

    def hold(self, host: str, delay_s: float) -> None:
        """The host asked for patience."""
        with self._lock:
            known = self._host(host)
            known.held_until = max(known.held_until, self._clock.monotonic() + delay_s)

    def robots(self, origin: str) -> bytes | None:
        """What was kept."""
        with self._lock:
            until, kept = self._robots.get(origin, (NEVER, b""))
            return kept if until > self._clock.monotonic() else None

    def keep_robots(self, origin: str, kept: bytes, for_s: float) -> None:
        """Keep it."""
        with self._lock:
            self._robots[origin] = (self._clock.monotonic() + for_s, kept)
            self._robots.move_to_end(origin)
            if len(self._robots) > self._max_hosts:
                self._robots.popitem(last=False)

    def _host(self, name: str) -> _Host:
        host = self._hosts.setdefault(name, _Host())
        self._hosts.move_to_end(name)
        if len(self._hosts) > self._max_hosts:
            self._hosts.popitem(last=False)
        return host
