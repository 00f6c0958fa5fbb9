"""What is known of each dependency, as a port. Every method is one step that no other comes between."""

from enum import Enum, auto
from typing import NamedTuple, Protocol

OPERATORS_PAUSE_S = 600.0
"""For how long an operator opens a breaker unless he says otherwise; less than a stage may be postponed for."""
LONGEST_PAUSE_S = 86_400.0


class Standing(Enum):
    """Where a dependency stands for the one who asks."""

    CLOSED = auto()
    """Go ahead."""
    OPEN = auto()
    """It failed; leave it alone."""
    TRIAL = auto()
    """It has been left alone for long enough: the one who asked tries it now, and nobody else."""
    TRIED = auto()
    """Somebody else is trying it."""


class Seen(NamedTuple):
    """The answer to one who asks."""

    standing: Standing
    remaining_s: float = 0.0
    """Of the pause, while it is open."""


class BreakerStates(Protocol):
    """The states of all breakers, of which those that are not used are forgotten in time.

    What the holder of a trial says counts only while its lease has not run out.
    """

    def admit(self, dependency: str, token: str, lease_s: float) -> Seen:
        """Ask to call. A trial is leased under `token`, which nobody else has."""

    def forget_failures(self, dependency: str) -> None:
        """A call succeeded: failures in a row begin anew. Changes nothing about a breaker that has opened."""

    def count_failure(self, dependency: str) -> int:
        """A call failed: returns how many did so in a row, or 0 if the breaker has opened since it began."""

    def open(self, dependency: str, pause_s: float) -> None:
        """Too many failed: open, unless somebody else just did."""

    def renew(self, dependency: str, token: str, lease_s: float) -> None:
        """The trial still runs."""

    def close(self, dependency: str, token: str) -> None:
        """The trial succeeded."""

    def reopen(self, dependency: str, token: str, pause_s: float) -> None:
        """The trial failed."""

    def release(self, dependency: str, token: str) -> None:
        """The trial showed nothing; the next one who asks gets one."""
