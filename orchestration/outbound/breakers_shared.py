"""What all workers know of the dependencies, in Redis 7.0 or later or Valkey.

A breaker is three keys, all of which expire:

    penstock:breaker:{origin:example.org:443}:failures   how many in a row, while it is closed
    penstock:breaker:{origin:example.org:443}:open       since when it is not closed, in ms
    penstock:breaker:{origin:example.org:443}:trial      whose trial it is

Time is the server's: the pause is what the life of `open` has in excess of `KEPT_MS`. So workers need not agree on it.

Commands: a success costs two, a failure two and the one that opens three, a refusal one, a trial two and a renewal
each third of its lease.
"""

from typing import Any

from redis import Redis

from orchestration.outbound.breakers_states import Seen, Standing
from orchestration.transport.connections import make_pool
from orchestration.transport.urls import Target

PREFIX = "penstock:breaker:"
KEPT_MS = 3_600_000
"""How long failures, and an open breaker whose pause is over, are remembered when nobody asks."""

# These write little and free what they write, so they may run when the server is full.
ADMIT = """#!lua flags=allow-oom
-- KEYS: open, trial. ARGV: token, lease in ms, ms kept after the pause. Returns: standing, ms that remain of the pause
local life = redis.call('PTTL', KEYS[1])
if life == -2 then
  return {'CLOSED', 0}
end
if life > tonumber(ARGV[3]) then
  return {'OPEN', life - ARGV[3]}
end
return {redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) and 'TRIAL' or 'TRIED', 0}
"""
COUNT_FAILURE = """#!lua flags=allow-oom
-- KEYS: open, failures. ARGV: ms kept. Returns: failures in a row, 0 if it is not closed
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
local failures = redis.call('INCR', KEYS[2])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return failures
"""
OPEN = """#!lua flags=allow-oom
-- KEYS: open. ARGV: ms of the pause and after
local now = redis.call('TIME')
redis.call('SET', KEYS[1], now[1] * 1000 + math.floor(now[2] / 1000), 'NX', 'PX', ARGV[1])
"""
SETTLE = """#!lua flags=allow-oom
-- KEYS: open, failures, trial. ARGV: token, what to do, ms. Changes nothing unless the token holds the trial
if redis.call('GET', KEYS[3]) ~= ARGV[1] then
  return
end
if ARGV[2] == 'renew' then
  redis.call('PEXPIRE', KEYS[3], ARGV[3])
  return
end
if ARGV[2] == 'close' then
  redis.call('DEL', KEYS[1], KEYS[2])
elseif ARGV[2] == 'reopen' then
  local now = redis.call('TIME')
  local since = redis.call('GET', KEYS[1]) or now[1] * 1000 + math.floor(now[2] / 1000)
  redis.call('SET', KEYS[1], since, 'PX', ARGV[3])
end
redis.call('DEL', KEYS[3])
"""


class SharedStates:
    """Implements `BreakerStates` for all who use the same server.

    Every method raises redis-py's errors when the server does not answer in `timeout_s` seconds.
    """

    def __init__(self, target: Target, *, timeout_s: float) -> None:
        # RESP3 would add a step to connecting, and keep redis-py from noticing that an idle connection was closed.
        options = {"socket_connect_timeout": timeout_s, "protocol": 2}
        self._redis: Any = Redis(connection_pool=make_pool(target, options, timeout_s=timeout_s))
        self._run_admit = self._redis.register_script(ADMIT)
        self._run_count_failure = self._redis.register_script(COUNT_FAILURE)
        self._run_open = self._redis.register_script(OPEN)
        self._run_settle = self._redis.register_script(SETTLE)

    def admit(self, dependency: str, token: str, lease_s: float) -> Seen:
        """Ask to call."""
        keys = [key_of(dependency, "open"), key_of(dependency, "trial")]
        standing, remaining_ms = self._run_admit(keys, [token, _ms(lease_s), KEPT_MS])
        return Seen(Standing[standing.decode()], remaining_ms / 1000)

    def forget_failures(self, dependency: str) -> None:
        """A call succeeded."""
        self._redis.delete(key_of(dependency, "failures"))

    def count_failure(self, dependency: str) -> int:
        """A call failed."""
        keys = [key_of(dependency, "open"), key_of(dependency, "failures")]
        return int(self._run_count_failure(keys, [KEPT_MS]))

    def open(self, dependency: str, pause_s: float) -> None:
        """Too many failed."""
        self._run_open([key_of(dependency, "open")], [_ms(pause_s) + KEPT_MS])

    def renew(self, dependency: str, token: str, lease_s: float) -> None:
        """The trial still runs."""
        self._settle(dependency, token, "renew", _ms(lease_s))

    def close(self, dependency: str, token: str) -> None:
        """The trial succeeded."""
        self._settle(dependency, token, "close", 0)

    def reopen(self, dependency: str, token: str, pause_s: float) -> None:
        """The trial failed."""
        self._settle(dependency, token, "reopen", _ms(pause_s) + KEPT_MS)

    def release(self, dependency: str, token: str) -> None:
        """The trial showed nothing."""
        self._settle(dependency, token, "release", 0)

    def _settle(self, dependency: str, token: str, what: str, ms: int) -> None:
        keys = [key_of(dependency, name) for name in ("open", "failures", "trial")]
        self._run_settle(keys, [token, what, ms])


def key_of(dependency: str, name: str) -> str:
    """Where one of the three things is kept that are known of a dependency."""
    return f"{PREFIX}{{{dependency}}}:{name}"


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
