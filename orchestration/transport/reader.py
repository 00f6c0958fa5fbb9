"""Reads the queues of one channel over two connections, without ever waiting for either.

    turns    acknowledges, promotes what is due and reads in lane order; answers at once
    waits    a blocking read of one message, sent only when a turn found all queues empty

XREADGROUP's COUNT is per stream, so reading several streams at once would break both the prefetch limit and the
order of lanes; and a blocking read on the connection of the acks would hold them up.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import deque
from queue import Empty
from typing import Any

from redis.exceptions import NoScriptError, ResponseError

from orchestration.transport import scripts
from orchestration.transport.envelope import unseal
from orchestration.transport.errors import NotAMessage
from orchestration.transport.keys import GROUP, QueueKeys, Tag
from orchestration.transport.line import Line
from orchestration.transport.member import Member
from orchestration.transport.options import Options

LONGEST_WAIT_MS = 1000
"""Bounds how late a message may be seen whose delay began while we waited."""
MOST_AT_ONCE = 100
"""Messages read in one turn when there is no prefetch limit."""
DOUBT_S = 3.0
"""How long after a connection broke the server may still act on what came over it."""
BETWEEN_PROMOTIONS_S = 0.1
"""How often a busy reader looks for messages that have become due; an idle one looks each time."""


Arrived = tuple[Tag, list[bytes]]
"""A message, and what its entry says."""


class Reader:
    """The state of both connections."""

    def __init__(self, channel: Any, member: Member, options: Options) -> None:
        self.turns = Line(lambda: channel.async_pool)
        self.waits = Line(lambda: channel.async_pool)
        self.queues: list[QueueKeys] = []
        self._channel = channel
        self._member = member
        self._options = options
        self._turning: list[str] | None = None  # the acks that are on their way
        self._reading: list[QueueKeys] = []
        self._credit = 0
        self._promotes = False
        self._promoted_at = -math.inf
        self._waiting = False
        self._waiting_for: list[QueueKeys] = []
        self._found_all = False
        self._next_due_ms = -1
        self._doubts: deque[float] = deque()  # when to look for deliveries that were lost with a connection
        self._in_order = 0  # messages since a lower lane had its share
        self._shares = 0

    @property
    def is_idle(self) -> bool:
        """Whether no reply is due."""
        return self._turning is None and not self._waiting

    def arm(self) -> None:
        """Send what there is to send. Called before each poll."""
        if self._turning is not None:
            return
        if self._doubts and not self._waiting and time.monotonic() >= self._doubts[0]:
            self._reconcile()
        acks = self._member.ledger.take_acks()
        credit = 0 if self._waiting or not self._member.may_read else self._channel.credit()
        if not self.queues:
            credit = 0
        if acks or (credit and not self._found_all):
            self._send_turn(acks, credit)
        elif credit:
            self._send_wait()

    def _reconcile(self) -> None:
        # Now, while no reply is due, what the server has sent us is what we know of.
        self._member.reconcile(readers=1)
        self._doubts.popleft()

    def _send_turn(self, acks: list[str], credit: int) -> None:
        # Each queue is the first one in turn; within a lane the first is served first.
        self.queues = [*self.queues[1:], *self.queues[:1]]
        self._turning, self._credit = acks, credit
        self._reading = self.queues if credit else []
        self._promotes = bool(credit) and time.monotonic() - self._promoted_at >= BETWEEN_PROMOTIONS_S
        try:
            self.turns.send(*scripts.TURN.command(*self._turn()))
        except BaseException:
            self._put_back()
            raise

    def _turn(self) -> tuple[list[str], list[str | int]]:
        return self._member.turn(
            self._reading,
            self._turning or (),
            self._credit,
            promote=self._promotes,
            in_order=self._in_order,
            shares=self._shares,
        )

    def _put_back(self) -> None:
        acks, self._turning = self._turning, None
        self._member.ledger.put_back_acks(acks or ())

    def on_turn(self) -> bool:
        """Read what a turn returned. Raises `queue.Empty` when nothing was delivered."""
        try:
            next_due_ms, self._in_order, self._shares, entries = self.turns.read()
        except NoScriptError:
            self._resend_turn()
            raise Empty from None
        except BaseException:
            self._put_back()
            raise
        self._turning = None
        if self._promotes:
            self._next_due_ms, self._promoted_at = next_due_ms, time.monotonic()
        if self._credit:
            # Only a turn that promoted knows how long there is nothing to read.
            self._found_all = len(entries) < self._credit and self._promotes
            if len(entries) < self._credit:
                self._promoted_at = -math.inf
        return self._deliver(
            [
                (Tag(entry_id.decode(), place, self._reading[index].queue), fields)
                for index, place, entry_id, fields in entries
            ]
        )

    def _resend_turn(self) -> None:
        # After SCRIPT FLUSH or a restart of the server.
        self.turns.load(scripts.TURN)
        self.turns.send(*scripts.TURN.command(*self._turn()))

    def _send_wait(self) -> None:
        due_ms = self._next_due_ms if self._next_due_ms >= 0 else LONGEST_WAIT_MS
        streams = [stream for queue in self.queues for stream in queue.streams]
        self.waits.send(
            *("XREADGROUP", "GROUP", GROUP, self._member.name, "COUNT", 1),
            *("BLOCK", max(1, min(due_ms, LONGEST_WAIT_MS)), "STREAMS", *streams, *">" * len(streams)),
        )
        self._waiting_for, self._waiting = self.queues, True

    def on_wait(self) -> bool:
        """Read what a wait returned. Raises `queue.Empty` when nothing was delivered."""
        try:
            reply = self.waits.read()
        except ResponseError as error:
            # NOGROUP: deleted, or the server lost its memory. UNBLOCKED: deleted while we waited. A turn mends it.
            if not str(error).startswith(("NOGROUP", "UNBLOCKED")):
                raise
            reply = None
        finally:
            self._waiting = self._found_all = False
        streams = {stream: (queue, place) for queue in self._waiting_for for place, stream in enumerate(queue.streams)}
        arrived: list[Arrived] = []
        # RESP3 has a map here, RESP2 pairs.
        for stream, entries in reply.items() if isinstance(reply, dict) else reply or ():
            queue, place = streams[stream.decode()]
            arrived += [(Tag(entry_id.decode(), place, queue.queue), fields) for entry_id, fields in entries]
        # When several streams filled before the server began to wait it sends one message of each.
        arrived.sort(key=lambda each: each[0].place)
        return self._deliver(arrived)

    def _deliver(self, arrived: list[Arrived]) -> bool:
        """Hand over what the credit allows, and give back the rest. Raises `queue.Empty` when nothing was delivered."""
        left, delivered = deque(arrived), 0
        try:
            while left and self._channel.has_credit:
                delivered += self._take(*left.popleft())
        finally:
            # Also when a consumer raised.
            if left:
                self._member.hand_back([tag for tag, _ in left])
        if not delivered:
            raise Empty
        return True

    def _take(self, tag: Tag, fields: list[bytes]) -> bool:
        try:
            payload = unseal(fields, tag)
        except NotAMessage:
            self._member.set_aside(tag)
            return False
        self._channel.deliver(tag, payload)
        return True

    def finish(self) -> None:
        """Wait for the replies that are due, at most about a second, so that nothing is lost with the connections."""
        for due, read in ((self._turning is not None, self.on_turn), (self._waiting, self.on_wait)):
            if due:
                with contextlib.suppress(Empty):
                    read()

    def lost(self, connection: object) -> None:
        """A connection broke; what it would have answered is unknown."""
        if self._turning is not None and self.turns.is_on(connection):
            self._put_back()
        if self.waits.is_on(connection):
            self._waiting = self._found_all = False
        # A second time, for what the server only then got to read.
        now = time.monotonic()
        self._doubts = deque((now, now + DOUBT_S))

    def close(self) -> None:
        """Close both connections."""
        self._put_back()
        self._waiting = False
        self.turns.close()
        self.waits.close()
