"""The clocks of the language models, in Redis 7.0 or later or Valkey, for all workers.

    penstock:pace:{model}:clocks            a hash: calls, tokens, paused; each a moment in ms
    penstock:pace:{model}:ticket:<ticket>   the moment that is reserved for a call, in ms

Time is the server's. All keys expire. A call costs one command, two where it took another number of tokens than it
seemed.
"""

from typing import Any

from redis import Redis

from orchestration.outbound.pace import BURST_S, KEPT_S
from orchestration.transport.connections import make_pool
from orchestration.transport.urls import Target

PREFIX = "penstock:pace:"

# These write little and free what they write, so they may run when the server is full.
NOW = """#!lua flags=allow-oom
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
"""
ADMIT = f"""{NOW}
-- KEYS: clocks, ticket. ARGV: ms of a call, ms of its tokens, burst in ms, ms kept. Returns: ms to wait
local clocks = redis.call('HMGET', KEYS[1], 'calls', 'tokens', 'paused')
local calls, tokens, paused = tonumber(clocks[1] or 0), tonumber(clocks[2] or 0), tonumber(clocks[3] or 0)
local call_ms, tokens_ms, burst, kept = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local first = tonumber(redis.call('GETDEL', KEYS[2]) or 0)
if first == 0 or paused > now then
  local ahead = math.max(call_ms > 0 and calls or 0, tokens_ms > 0 and tokens or 0) - burst
  first = math.max(now, paused, ahead)
  calls = math.max(calls, now, paused) + call_ms
  tokens = math.max(tokens, now, paused) + tokens_ms
  redis.call('HSET', KEYS[1], 'calls', string.format('%.3f', calls), 'tokens', string.format('%.3f', tokens))
  redis.call('PEXPIRE', KEYS[1], math.ceil(math.max(calls, tokens) - now + kept))
end
if first <= now then
  return '0'
end
redis.call('SET', KEYS[2], string.format('%.3f', first), 'PX', math.ceil(first - now + kept))
return string.format('%.3f', first - now)
"""
CORRECT = """#!lua flags=allow-oom
-- KEYS: clocks. ARGV: ms
if redis.call('HEXISTS', KEYS[1], 'tokens') == 1 then
  redis.call('HINCRBYFLOAT', KEYS[1], 'tokens', ARGV[1])
end
"""
PAUSE = f"""{NOW}
-- KEYS: clocks. ARGV: ms, ms kept
local paused = math.max(tonumber(redis.call('HGET', KEYS[1], 'paused') or 0), now + ARGV[1])
redis.call('HSET', KEYS[1], 'paused', string.format('%.3f', paused))
local life = math.ceil(paused - now + ARGV[2])
if redis.call('PTTL', KEYS[1]) < life then
  redis.call('PEXPIRE', KEYS[1], life)
end
"""


class SharedPace:
    """Implements `PaceStates` for all who use the same server.

    Every method raises redis-py's errors when the server does not answer in `timeout_s` seconds.
    """

    def __init__(self, target: Target, *, timeout_s: float) -> None:
        options = {"socket_connect_timeout": timeout_s, "protocol": 2}
        self._redis: Any = Redis(connection_pool=make_pool(target, options, timeout_s=timeout_s))
        self._run_admit = self._redis.register_script(ADMIT)
        self._run_correct = self._redis.register_script(CORRECT)
        self._run_pause = self._redis.register_script(PAUSE)

    def admit(self, model: str, ticket: str, call_s: float, tokens_s: float) -> float:
        """Ask to call."""
        keys = [_clocks(model), f"{PREFIX}{{{model}}}:ticket:{ticket}"]
        return float(self._run_admit(keys, [_ms(call_s), _ms(tokens_s), _ms(BURST_S), _ms(KEPT_S)])) / 1000

    def correct(self, model: str, tokens_s: float) -> None:
        """A call took more or fewer tokens than it seemed."""
        self._run_correct([_clocks(model)], [_ms(tokens_s)])

    def pause(self, model: str, pause_s: float) -> None:
        """The server asks for patience."""
        self._run_pause([_clocks(model)], [_ms(pause_s), _ms(KEPT_S)])


def _clocks(model: str) -> str:
    return f"{PREFIX}{{{model}}}:clocks"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3f}"
