"""Polls the two connections of each channel's reader along with what the stock transport polls."""

from __future__ import annotations

from typing import Any

from orchestration.transport.stock import stock

TURN, WAIT = "TURN", "WAIT"


class Poller(stock.MultiChannelPoller):  # type: ignore[misc]
    """Lists and publish/subscribe are polled as they were: control, events and replies use them."""

    def on_poll_init(self, poller: Any) -> None:
        # The stock poller looks for messages to restore here, in lists that few connections read.
        self.poller = poller

    def on_poll_start(self) -> None:
        super().on_poll_start()
        for channel in self._channels:
            if channel.reader is not None:
                self._arm(channel)

    def _arm(self, channel: Any) -> None:
        reader = channel.reader
        for line, kind in ((reader.turns, TURN), (reader.waits, WAIT)):
            if not line.is_open or (channel, line, kind) not in self._chan_to_sock:
                line.open()
                self._register(channel, line, kind)
        reader.arm()

    def on_readable(self, fileno: int) -> Any:
        channel, kind = self._fd_to_chan.get(fileno, (None, None))
        if kind in (TURN, WAIT):
            # Whatever the credit: a turn also answers acks.
            return channel.handlers[kind]()
        return super().on_readable(fileno)
