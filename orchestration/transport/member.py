"""This process as a member of the fleet: its name, its lease, what it holds, and how it leaves."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterable
from multiprocessing.util import Finalize
from typing import Any

import redis.exceptions

from orchestration.transport import scripts
from orchestration.transport.keys import GROUP, FleetKeys, QueueKeys, Tag
from orchestration.transport.lease import Lease
from orchestration.transport.ledger import Ledger
from orchestration.transport.line import Line, Pool
from orchestration.transport.options import Options

log = logging.getLogger(__name__)

MOST_AT_ONCE = 1000
"""Entries that one call of a script moves: the server does nothing else meanwhile."""

UNSEEN = "unseen"
NOT_A_MESSAGE = "not_a_message"
"""Reasons for giving a delivery back."""

_members: dict[tuple[int, str], Member] = {}
_members_lock = threading.Lock()


def member_of(fleet: str, pool: Pool, options: Options) -> Member:
    """The one member that this process is of a fleet; `fleet` tells servers, databases and prefixes apart.

    `pool` is what a new member talks through; its connections must give up on a dead server well within a lease.
    """
    with _members_lock:
        member = _members.get((os.getpid(), fleet))
        if member is None:
            member = _members[os.getpid(), fleet] = Member(pool, options)
        return member


class Member:
    """One consumer in every group, whatever the number of its channels and however often they reconnect."""

    def __init__(self, pool: Pool, options: Options) -> None:
        self.name = f"{platform.node()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.ledger = Ledger()
        self._options = options
        self._fleet = FleetKeys(options.prefix)
        self._queues: dict[str, QueueKeys] = {}
        self._line = Line(lambda: pool)
        # The lease's thread must not wait for anything else.
        self._lease_line = Line(lambda: pool)
        self._lock = threading.RLock()
        self._lease = Lease(self._beat, self._chores, options.lease_s)
        self._scannable: list[bytes] = []
        self._readers = 0
        self._unsure = False
        self._joined = False

    # the lease

    @property
    def may_read(self) -> bool:
        """Without a lease others would take for abandoned what we read."""
        return self._lease.is_held

    def join(self, queue: QueueKeys) -> None:
        """Consume this queue too. Raises redis-py's errors when the server does not answer."""
        self._queues[queue.queue] = queue
        with self._lock:
            if not self._joined:
                self._lease.start()
                self._joined = True
                Finalize(None, self.leave, exitpriority=10)

    def _beat(self) -> bool:
        fleet, options = self._fleet, self._options
        held, _, _, self._scannable = self._lease_line.run(
            scripts.BEAT,
            (fleet.alive + self.name, fleet.scanner, fleet.incarnation, fleet.queues),
            (
                self.name,
                int(options.lease_s * 1000),
                uuid.uuid4().hex,
                int(self._lease.is_settled),
                *self._queues,
            ),
        )
        return bool(held)

    def _chores(self) -> None:
        if self._scannable:
            self._recover([self._options.queue(name.decode()) for name in self._scannable])
        self._settle(self._lease_line)
        if self._unsure:
            self.reconcile()

    def _recover(self, queues: Iterable[QueueKeys]) -> None:
        options = self._options
        moved, dead = self._lease_line.run(
            scripts.RECOVER,
            [key for queue in queues for key in queue.for_recovery],
            (
                *(GROUP, self._fleet.alive, options.delivery_limit, options.dead_letters_kept),
                *(len(options.steps), MOST_AT_ONCE),
            ),
        )
        if moved or dead:
            log.warning("took %d messages back from dead workers; %d became dead letters", moved + dead, dead)

    # settling

    def reading(self, by: int) -> None:
        """A reader came (1) or went (-1). Readers take the acks along with their reading."""
        with self._lock:
            self._readers += by
            # What was on its way to a reader that went is nobody's.
            self._unsure = by < 0

    def hand_back(self, tags: Iterable[Tag]) -> None:
        """Give back what no consumer has seen."""
        self.ledger.put_back_dropped(map(str, tags))
        self.settle()

    def set_aside(self, tag: Tag) -> None:
        """Make a dead letter of an entry that is no message."""
        log.warning("entry %s of queue %s is no message; it becomes a dead letter", tag.entry_id, tag.queue)
        self.ledger.set_aside(str(tag))
        self.settle()

    def settle(self) -> None:
        """Send what readers will not take along; what fails is sent again with the next beat."""
        if self._readers == 0 or self.ledger.has_returns:
            with contextlib.suppress(redis.exceptions.RedisError, OSError):
                self._settle(self._line)

    def _settle(self, line: Line) -> None:
        # What is on its way is in no list of the ledger: whoever reconciles has to wait for it.
        with self._lock:
            self._settle_locked(line)

    def _settle_locked(self, line: Line) -> None:
        ledger = self.ledger
        if acks := ledger.take_acks():
            try:
                line.run(scripts.TURN, *self.turn((), acks, 0))
            except BaseException:
                ledger.put_back_acks(acks)
                raise
        for take, put_back, why in (
            (ledger.take_dropped, ledger.put_back_dropped, UNSEEN),
            (ledger.take_failed, ledger.put_back_failed, "rejected"),
            (ledger.take_alien, ledger.put_back_alien, NOT_A_MESSAGE),
        ):
            tags = take()
            try:
                self._hand_back(line, tags, why)
            except BaseException:
                put_back(tags)
                raise

    def _hand_back(self, line: Line, tags: Iterable[str], why: str) -> None:
        by_queue = defaultdict(list)
        for tag in map(Tag.parse, tags):
            if tag is not None:
                by_queue[tag.queue].append(tag)
        for name, delivered in by_queue.items():
            queue = self._options.queue(name)
            line.run(
                scripts.HAND_BACK,
                [queue.dead, queue.redelivery, *(queue.streams[tag.place] for tag in delivered)],
                [
                    GROUP,
                    self.name,
                    self._options.delivery_limit,
                    self._options.dead_letters_kept,
                    why,
                    *(tag.entry_id for tag in delivered),
                ],
            )

    def turn(
        self,
        queues: Iterable[QueueKeys],
        acks: Iterable[str],
        credit: int,
        *,
        promote: bool = True,
        in_order: int = 0,
        shares: int = 0,
    ) -> tuple[list[str], list[str | int]]:
        """Keys and arguments of turn.lua."""
        reading = list(queues)
        tags = [tag for tag in map(Tag.parse, acks) if tag is not None]
        keys = [key for queue in reading for key in queue.for_turn]
        keys += [self._options.queue(tag.queue).streams[tag.place] for tag in tags]
        lanes = len(self._options.steps)
        share = self._options.lower_lane_share if lanes > 1 else 0
        return keys, [
            *(GROUP, self.name, credit, len(reading), lanes, MOST_AT_ONCE if promote else 0),
            *(share, in_order, shares),
            *(tag.entry_id for tag in tags),
        ]

    # coming back, and leaving

    def reconcile(self, *, readers: int = 0) -> None:
        """Give back what the server thinks we hold and we do not: its delivery was lost with a connection.

        `readers` is 1 for a reader to which nothing is on its way; to others something may be.
        """
        with self._lock:
            if self._readers > readers:
                return
            self._unsure = False
            for queue in list(self._queues.values()):
                unknown = [str(tag) for tag in self._pending(queue) if str(tag) not in self.ledger]
                self._hand_back(self._line, unknown, UNSEEN)

    def _pending(self, queue: QueueKeys) -> Iterable[Tag]:
        for place, stream in enumerate(queue.streams):
            try:
                entries: Any = self._line.ask("XPENDING", stream, GROUP, "-", "+", MOST_AT_ONCE, self.name)
            except redis.exceptions.ResponseError:
                continue  # neither stream nor group: nothing was ever read
            yield from (Tag(entry[0].decode(), place, queue.queue) for entry in entries)

    def leave(self) -> None:
        """Give back what is held and stop being alive; for the end of the process."""
        self._lease.stop()
        self.ledger.drop_all()
        self._readers = 0
        # Once more because a connection that idled may have died; if the server is gone the lease runs out.
        for _ in range(2):
            with contextlib.suppress(redis.exceptions.RedisError, OSError):
                self._settle(self._line)
                self.reconcile()
                self._line.ask("DEL", self._fleet.alive + self.name)
                break
        self._line.close()
        self._lease_line.close()
