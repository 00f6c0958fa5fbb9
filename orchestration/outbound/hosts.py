"""Whose turn it is at a host, as a port: how fast and by how many it is asked, by all workers together.

hosts            the port, and the arithmetic of slots
hosts_local      ... known to this process
hosts_shared     ... known to all workers, in Redis, and in this process while Redis does not answer
robots           what a host's robots.txt allows
politeness       the client that keeps to all of this

A host's line is a number, `tail`: when the last visitor who was given a slot may come. One who may not come at once
gets the slot after it, and is told how long to stay away: exactly until then. So ten thousand visitors of one host are
each sent away once, and nobody comes to ask whether it is his turn yet. Who does not come within `LATE_S` of his slot
has lost it. An urgent visitor goes before the line, in a line of his own; whoever had a slot by then gets a new one.
"""

from dataclasses import dataclass
from typing import Protocol

from stages.contract import Visitor

LATE_S = 30.0
"""How long after its beginning a slot can be used: queues have their delays."""
EARLY_S = 0.05
"""How long before: clocks and timers are not exact."""
USUAL_VISIT_S = 1.0
"""What a visit is taken to last until some have ended."""
HELD_SPACING_S = 0.01
"""Between those who come back after a host asked for patience, where it has no other rate."""
KEPT_S = 3600.0
"""How long a host is remembered after the last slot."""


@dataclass(frozen=True, slots=True)
class HostPace:
    """How a host is visited."""

    interval_s: float = 0.0
    """Between the beginnings of two visits; 0 for no limit."""
    most: int = 0
    """Visits at once; 0 for no limit."""


class HostStates(Protocol):
    """What is known of all hosts, of which those that are not visited are forgotten. Each method is one step."""

    def enter(self, host: str, visitor: Visitor, pace: HostPace, lease_s: float) -> float:
        """Ask to visit now: 0.0, or for how many seconds to stay away; the slot after them is this visitor's.

        A visit that is not ended is taken for ended after `lease_s`.
        """

    def leave(self, host: str, visitor: Visitor, took_s: float) -> None:
        """The visit is over. Needed only where the pace limits how many there are at once."""

    def hold(self, host: str, delay_s: float) -> None:
        """The host asked for patience: nobody enters before this many seconds are over."""

    def robots(self, origin: str) -> bytes | None:
        """What was kept of an origin's robots.txt."""

    def keep_robots(self, origin: str, kept: bytes, for_s: float) -> None:
        """Keep what an origin's robots.txt said."""
