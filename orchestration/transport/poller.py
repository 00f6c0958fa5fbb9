"""Polls the two connections of each channel's reader along with what the stock transport polls."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from queue import Empty
from typing import Any

import redis.exceptions

from orchestration.transport.stock import stock

log = logging.getLogger(__name__)

TURN, WAIT = "TURN", "WAIT"
BROKEN = (
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.ReadOnlyError,
    OSError,
)
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 1.0
"""Between attempts to connect again."""


class Poller(stock.MultiChannelPoller):  # type: ignore[misc]
    """Lists and publish/subscribe are polled as they were: control, events and replies use them.

    In Celery's event loop, which `wake_after` makes poll again in so many seconds, a connection that broke is replaced
    here. Celery would take the error for the end of all it has: it forgets what it had received, and prefork forgets
    what it had handed to a child, which runs it all the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.wake_after: Callable[[float], object] | None = None
        self._pause_s = 0.0
        self._again_at = 0.0

    def on_poll_init(self, poller: Any) -> None:
        # The stock poller looks for messages to restore here, in lists that few connections read.
        self.poller = poller

    def on_poll_start(self) -> None:
        if self.wake_after is None:
            self._start()
        elif time.monotonic() >= self._again_at:
            try:
                self._start()
            except BROKEN as error:
                self._broke(error)
            else:
                self._mended()

    def _start(self) -> None:
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
        try:
            return self._read(fileno)
        except BROKEN as error:
            if self.wake_after is None:
                raise
            self._broke(error)
            raise Empty from None

    def _read(self, fileno: int) -> Any:
        channel, kind = self._fd_to_chan.get(fileno, (None, None))
        if kind in (TURN, WAIT):
            # Whatever the credit: a turn also answers acks.
            return channel.handlers[kind]()
        return super().on_readable(fileno)

    def _broke(self, error: Exception) -> None:
        if not self._pause_s:
            log.warning("a connection to the broker broke, another is made: %s", error)
        self._pause_s = min(max(self._pause_s * 2, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        self._again_at = time.monotonic() + self._pause_s
        if self.wake_after is not None:
            self.wake_after(self._pause_s)

    def _mended(self) -> None:
        if self._pause_s:
            log.info("connected to the broker again")
        self._pause_s = 0.0
