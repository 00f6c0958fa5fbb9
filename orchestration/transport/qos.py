"""What a channel owes: credit, and what becomes of acknowledgements."""

from __future__ import annotations

from typing import Any

from orchestration.transport.keys import Tag
from orchestration.transport.stock import stock


class QoS(stock.QoS):  # type: ignore[misc]
    """Stream deliveries are the process's, in its ledger; others stay with the stock transport."""

    def can_consume(self) -> bool:
        """Whether the prefetch limit leaves room."""
        return not self.prefetch_count or self.outstanding < self.prefetch_count

    @property
    def outstanding(self) -> int:
        """Deliveries that are not settled, those that came over earlier connections too."""
        # Of the stock deliveries both the unsettled and the settled are in `_delivered`.
        return len(self.channel.member.ledger) + len(self._delivered) - len(self._dirty)

    def append(self, message: Any, delivery_tag: str) -> None:
        if Tag.parse(delivery_tag) is None:
            super().append(message, delivery_tag)
        else:
            self.channel.member.ledger.hold(delivery_tag, message)

    def ack(self, delivery_tag: str) -> None:
        if Tag.parse(delivery_tag) is None:
            super().ack(delivery_tag)
        else:
            self.channel.member.ledger.ack(delivery_tag)
            self.channel.member.settle()

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        if Tag.parse(delivery_tag) is None:
            super().reject(delivery_tag, requeue)
        elif requeue:
            self.channel.member.ledger.fail(delivery_tag)
            self.channel.member.settle()
        else:
            self.ack(delivery_tag)

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """Push nothing back when a channel closes: its tasks go on, and would run a second time."""
        if self._delivered:
            super().restore_unacked_once(stderr)
