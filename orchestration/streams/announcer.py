"""Tells events to all who listen, or to nobody: whoever works does not wait for Redis.

An announcement costs one command, on whose way all that is told at once goes. What several processes may announce is
told once: a short-lived key says that it was.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from orchestration.streams import FIELD, ONCE, STREAM, TENANT
from orchestration.streams.quiet import PATIENCE_S, Quiet
from orchestration.transport.connections import make_pool
from orchestration.transport.urls import Target
from pipeline.events import Event
from stages.contract import Clock

AT_ONCE = 100
"""Events in one command."""
LAST_KEPT_S = 3600
"""How long it is known that the last event of a run was told."""
OTHERS_KEPT_S = 120
"""The same of other events: what a dead worker held is delivered again long before."""

ANNOUNCE = """#!lua
-- KEYS: stream, then one for each event, a dummy where it may be told again
-- ARGV: entries kept, name of the event's field, name of the tenant's field, then per event: seconds for which it is
-- told once or 0, the event, its tenant
-- Returns: how many were told
local told = 0
for i = 2, #KEYS do
  local at = 3 * i - 2
  local kept_s = tonumber(ARGV[at])
  if kept_s == 0 or redis.call('SET', KEYS[i], '1', 'NX', 'EX', kept_s) then
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', ARGV[2], ARGV[at + 1], ARGV[3], ARGV[at + 2])
    told = told + 1
  end
end
return told
"""


class RedisAnnouncer:
    """Implements `Announcer`. Thread-safe; connects at the first announcement."""

    def __init__(self, target: Target, clock: Clock, *, kept: int) -> None:
        """`kept` is about how many events the stream holds."""
        options = {"socket_connect_timeout": PATIENCE_S, "protocol": 2}
        self._redis: Any = Redis(connection_pool=make_pool(target, options, timeout_s=PATIENCE_S))
        self._run = self._redis.register_script(ANNOUNCE)
        self._kept = kept
        self._quiet = Quiet("events are not announced", clock)

    def announce(self, *events: Event) -> bool:
        """Tell these events in order; returns whether they were heard. Never raises."""
        if self._quiet.is_on:
            return False
        try:
            for start in range(0, len(events), AT_ONCE):
                self._tell(events[start : start + AT_ONCE])
        except (RedisError, OSError) as error:
            self._quiet.begin(error)
            return False
        return True

    def close(self) -> None:
        """Close the connections."""
        self._redis.connection_pool.disconnect()

    def _tell(self, events: Sequence[Event]) -> None:
        keys = [STREAM, *(ONCE + (event.once or "") for event in events)]
        words = [word for event in events for word in _words(event)]
        self._run(keys, [self._kept, FIELD, TENANT, *words])


def _words(event: Event) -> Iterator[int | str]:
    yield 0 if event.once is None else LAST_KEPT_S if event.kind.is_last else OTHERS_KEPT_S
    yield event.as_json()
    yield event.topic.tenant_id
