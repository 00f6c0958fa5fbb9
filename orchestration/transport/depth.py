"""How much stands in a queue."""

from dataclasses import dataclass

from orchestration.transport import scripts
from orchestration.transport.keys import GROUP, QueueKeys
from orchestration.transport.line import Line


@dataclass(frozen=True, slots=True)
class Depth:
    """The messages of one queue, by where they are."""

    lanes: dict[int, int]
    """Ready, by the lane's lowest priority number."""
    redelivery: int
    """Ready, and delivered before."""
    pending: int
    """Delivered and not settled."""
    delayed: int
    """Not due yet."""
    dead: int
    """Dead letters."""

    @property
    def ready(self) -> int:
        """What a consumer could take now."""
        return self.redelivery + sum(self.lanes.values())


def depth_of(line: Line, queue: QueueKeys) -> Depth:
    """Count what stands in a queue, in one step."""
    delayed, dead, *counts = line.run(scripts.DEPTH, (queue.delayed, queue.dead, *queue.streams), (GROUP,))
    lengths, pending = counts[::2], counts[1::2]
    redelivery, *lanes = (length - taken for length, taken in zip(lengths, pending, strict=True))
    return Depth(
        lanes=dict(zip(queue.steps, lanes, strict=True)),
        redelivery=redelivery,
        pending=sum(pending),
        delayed=delayed,
        dead=dead,
    )
