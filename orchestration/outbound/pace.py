"""How often a language model may be asked, and with how many tokens, by all workers together.

pace            what may be asked for, as a port
pace_local      ... of this process
pace_shared     ... of all workers, in Redis
pace_fallback   ... in Redis, and in this process while Redis does not answer

Calls per minute and tokens per minute are each a clock that runs ahead: whoever may call moves it on by what the call
takes. It may be `BURST_S` ahead of the time. Whoever comes when it is further ahead is given the first moment at which
it will not be, and moves it on at once: that moment is theirs, so that each waits once, however many wait.
"""

from dataclasses import dataclass
from typing import Protocol

BURST_S = 10.0
"""How much of a minute's limit may be used at once, in seconds of it."""
KEPT_S = 120.0
"""How long a moment stays reserved once it has come: messages may be late."""
MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """What a model may be asked in a minute; None for no limit."""

    calls: int | None = None
    tokens: int | None = None

    def call_s(self) -> float:
        """How far one call moves the clock of calls on, in seconds.

        >>> Pace(calls=120).call_s(), Pace().call_s()
        (0.5, 0.0)
        """
        return MINUTE_S / self.calls if self.calls else 0.0

    def tokens_s(self, tokens: int) -> float:
        """How far so many tokens move the clock of tokens on, in seconds."""
        return tokens * MINUTE_S / self.tokens if self.tokens else 0.0


class PaceStates(Protocol):
    """The clocks of each model, by a name that tells models apart."""

    def admit(self, model: str, ticket: str, call_s: float, tokens_s: float) -> float:
        """How long to wait, in seconds, and then to come again with the same ticket; 0 to call now."""

    def correct(self, model: str, tokens_s: float) -> None:
        """Move the clock of tokens on, or back, by what a call took more than it seemed, or less."""

    def pause(self, model: str, pause_s: float) -> None:
        """Let nobody call for so long, also those who have a moment reserved: the server said so."""
