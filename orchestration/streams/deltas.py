"""Tells pieces of texts that are being written, in a stream of their own that holds little and not for long.

They share Redis with the messages of jobs, so what they may take there is bounded by count, by size and by age.
"""

import json
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from orchestration.streams import DELTAS, FIELD, TENANT
from orchestration.streams.quiet import PATIENCE_S, Quiet
from orchestration.transport.connections import make_pool
from orchestration.transport.urls import Target
from pipeline.deltas import Delta, Writing
from stages.contract import Clock

KEPT = 2_000
"""About as many pieces, each of at most `MAX_PIECE_CHARS`."""
KEPT_S = 60

TELL = """#!lua
-- KEYS: stream
-- ARGV: entries kept, seconds kept, name of the piece's field, name of the tenant's field, tenant, then the pieces
for i = 6, #ARGV do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', ARGV[3], ARGV[i], ARGV[4], ARGV[5])
end
redis.call('XTRIM', KEYS[1], 'MINID', '=', string.format('%d', (redis.call('TIME')[1] - ARGV[2]) * 1000))
redis.call('EXPIRE', KEYS[1], ARGV[2])
"""


class RedisDeltas:
    """Implements `Deltas`. Thread-safe; connects at the first piece."""

    def __init__(self, target: Target, clock: Clock) -> None:
        options = {"socket_connect_timeout": PATIENCE_S, "protocol": 2}
        self._redis: Any = Redis(connection_pool=make_pool(target, options, timeout_s=PATIENCE_S))
        self._run = self._redis.register_script(TELL)
        self._quiet = Quiet("texts are not shown while they are written", clock)

    def tell(self, *deltas: Delta) -> bool:
        """Tell these pieces of one text in order; returns whether they were heard. Never raises."""
        if self._quiet.is_on:
            return False
        tenant_id = deltas[0].writing.tenant_id
        try:
            self._run([DELTAS], [KEPT, KEPT_S, FIELD, TENANT, tenant_id, *(delta.as_json() for delta in deltas)])
        except (RedisError, OSError) as error:
            self._quiet.begin(error)
            return False
        return True

    def close(self) -> None:
        """Close the connections."""
        self._redis.connection_pool.disconnect()


def delta_of(fields: dict[bytes, bytes]) -> Delta:
    """An entry of the stream."""
    said = json.loads(fields[FIELD.encode()])
    writing = Writing(fields[TENANT.encode()].decode(), said["job_id"], said["run"], said["stage"], said["attempt"])
    return Delta(writing, said["offset"], said["text"])
