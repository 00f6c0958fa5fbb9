"""How often a stage is tried, and how long it waits in between."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter.

    The n-th delay is drawn evenly from 0 to `min(cap_s, base_s * 2**(n - 1))`, so that jobs which failed
    together do not come back together (M. Brooker, "Exponential Backoff And Jitter", 2015).
    """

    max_attempts: int = 4
    """Attempts in all, the first included."""
    base_s: float = 1.0
    """Upper bound of the first delay, in seconds."""
    cap_s: float = 60.0
    """Upper bound of every delay, in seconds."""

    def ceiling_s(self, attempt: int) -> float:
        """The longest delay after the given attempt (1 is the first), in seconds.

        >>> policy = RetryPolicy(base_s=1, cap_s=10)
        >>> [policy.ceiling_s(n) for n in (1, 2, 3, 4, 5)]
        [1.0, 2.0, 4.0, 8.0, 10]
        >>> policy.ceiling_s(5000)
        10
        """
        doublings = min(attempt - 1, 64)
        return min(self.cap_s, self.base_s * float(2**doublings))

    def delay_s(self, attempt: int, random: Random) -> float:
        """How long to wait after the given attempt, in seconds."""
        return random.uniform(0, self.ceiling_s(attempt))

    def allows_another(self, attempts: int) -> bool:
        """Whether a stage that has spent this many attempts may be tried again.

        >>> RetryPolicy(max_attempts=3).allows_another(2), RetryPolicy(max_attempts=3).allows_another(3)
        (True, False)
        """
        return attempts < self.max_attempts
