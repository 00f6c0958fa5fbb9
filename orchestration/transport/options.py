"""What can be set about the transport."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

from orchestration.transport.keys import QueueKeys

DEFAULT_STEPS = (0, 3, 6, 9)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the transport; the rest of `broker_transport_options` is kombu's."""

    steps: tuple[int, ...] = DEFAULT_STEPS
    """`priority_steps`: the lowest priority number of each lane, most urgent first; 0 is the most urgent."""
    prefix: str = ""
    """`global_keyprefix`: of all keys."""
    lease_s: float = 5.0
    """How long a worker counts as alive without having said so."""
    delivery_limit: int = 20
    """A message whose delivery failed this often becomes a dead letter."""
    dead_letters_kept: int = 10_000
    """Per queue; older ones are deleted."""
    lower_lane_share: int = 16
    """One message in so many is taken from a lower lane first, so that urgent work cannot stop the rest."""
    publish_patience_s: float = 0.0
    """How long a publisher waits for a server that is gone or full before it raises."""

    @classmethod
    def read(cls, transport_options: Mapping[str, Any]) -> Self:
        """Take ours from kombu's. Raises `ValueError` for what cannot work."""
        names = ("lease_s", "delivery_limit", "dead_letters_kept", "lower_lane_share", "publish_patience_s")
        options = cls(
            steps=tuple(sorted(transport_options.get("priority_steps") or DEFAULT_STEPS)),
            prefix=transport_options.get("global_keyprefix") or "",
            **{name: transport_options[name] for name in names if name in transport_options},
        )
        if options.lease_s < 1 or options.delivery_limit < 1 or options.lower_lane_share < 2:
            raise ValueError("lease_s and delivery_limit must be at least 1, and lower_lane_share at least 2")
        return options

    def queue(self, name: str) -> QueueKeys:
        """The keys of a queue."""
        return _queue_keys(name, self.steps, self.prefix)


@lru_cache(maxsize=4096)
def _queue_keys(name: str, steps: tuple[int, ...], prefix: str) -> QueueKeys:
    return QueueKeys(name, steps, prefix)
