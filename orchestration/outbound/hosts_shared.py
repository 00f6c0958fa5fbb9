"""What all workers know of hosts, in Redis 7.0 or later or Valkey, or one worker while that does not answer.

A host is three keys, all of which expire, and so is its robots.txt:

    penstock:host:{example.org:443}:state     a hash: tail, urgent, last, held (moments in ms), visit (ms)
    penstock:host:{example.org:443}:slots     a sorted set: visitors by the moment of their slot
    penstock:host:{example.org:443}:inside    a sorted set: visitors by when their visit is taken for ended
    penstock:robots:{https://example.org:443}

Time is the server's, so workers need not agree on it. When Redis loses its data everybody begins anew: visitors come
when they were told to, as before. Commands: one to enter, and one to leave where the number of visits is limited.
"""

from typing import Any

from redis import Redis

from orchestration.outbound.fallback import SharedOrOwn, timeout_s
from orchestration.outbound.hosts import (
    EARLY_S,
    HELD_SPACING_S,
    KEPT_S,
    LATE_S,
    USUAL_VISIT_S,
    HostPace,
    HostStates,
)
from orchestration.outbound.hosts_local import LocalHosts
from orchestration.transport.connections import make_pool
from orchestration.transport.urls import Target, read_url
from stages.contract import Visitor
from stages.contract.tools import Clock

PREFIX = "penstock:host:"
ROBOTS_PREFIX = "penstock:robots:"
MAX_LEASE_S = 300.0

# The same arithmetic as in `hosts_local`, which explains it; one contract holds both. All moments and times in ms.
ENTER = """
-- KEYS: state, slots, inside
-- ARGV: visitor, 1 if urgent, interval, most, lease, late, early, spacing while held, kept, usual visit
-- Returns: ms to stay away, 0 to enter
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local visitor, urgent = ARGV[1], ARGV[2] == '1'
local interval, most, lease = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local late, early, kept = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[9])
local known = redis.call('HMGET', KEYS[1], 'tail', 'urgent', 'last', 'held', 'visit')
local tail, urgent_tail, last = tonumber(known[1] or 0), tonumber(known[2] or 0), tonumber(known[3] or 0)
local held, visit = tonumber(known[4] or 0), tonumber(known[5] or ARGV[10])
if interval == 0 and most == 0 and held <= now then
  return 0
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - late)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
local slot = tonumber(redis.call('ZSCORE', KEYS[2], visitor) or 0)

local function keep()
  local life = math.max(tail - now, held - now, 0) + kept
  redis.call('HSET', KEYS[1], 'tail', tail, 'urgent', urgent_tail, 'last', last)
  redis.call('PEXPIRE', KEYS[1], life)
  redis.call('PEXPIRE', KEYS[2], life)
end
local function next_slot(spacing, earliest)
  local before = tail
  if urgent then before = math.max(urgent_tail, last) end
  return math.max(earliest, before + spacing)
end
local function move_tail(to)
  tail = math.max(tail, to)
  if urgent then urgent_tail = to end
end
local function stay_away(spacing, earliest)
  slot = math.ceil(next_slot(spacing, earliest))
  move_tail(slot)
  redis.call('ZADD', KEYS[2], slot, visitor)
  keep()
  return slot - now
end

if held > now then
  return stay_away(math.max(interval, tonumber(ARGV[8])), held)
end
if slot > now + early then
  return slot - now
end
local due = slot > 0 and (urgent or slot >= urgent_tail + 0.9 * interval)
local at = now
if not due and interval > 0 then at = next_slot(interval, now) end
if at > now + early then
  return stay_away(interval, now)
end
if most > 0 and redis.call('ZCARD', KEYS[3]) >= most and not redis.call('ZSCORE', KEYS[3], visitor) then
  local spacing = math.max(interval, visit / most)
  if due then return math.ceil(spacing) end
  return stay_away(spacing, now + spacing)
end
if interval > 0 then
  if due then last = math.max(last, slot) else
    last = math.max(last, at)
    move_tail(at)
  end
  keep()
end
redis.call('ZREM', KEYS[2], visitor)
if most > 0 then
  redis.call('ZADD', KEYS[3], now + lease, visitor)
  redis.call('PEXPIRE', KEYS[3], lease)
end
return 0
"""
LEAVE = """#!lua flags=allow-oom
-- KEYS: state, inside. ARGV: visitor, how long the visit took, usual visit, kept
if redis.call('ZREM', KEYS[2], ARGV[1]) == 1 then
  local visit = tonumber(redis.call('HGET', KEYS[1], 'visit') or ARGV[3])
  redis.call('HSET', KEYS[1], 'visit', visit + (ARGV[2] - visit) / 5)
  if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
end
"""
HOLD = """#!lua flags=allow-oom
-- KEYS: state. ARGV: for how long, kept
local clock = redis.call('TIME')
local held = clock[1] * 1000 + math.floor(clock[2] / 1000) + ARGV[1]
if held > tonumber(redis.call('HGET', KEYS[1], 'held') or 0) then
  redis.call('HSET', KEYS[1], 'held', held)
end
local life = ARGV[1] + ARGV[2]
if redis.call('PTTL', KEYS[1]) < life then redis.call('PEXPIRE', KEYS[1], life) end
"""


class SharedHosts:
    """Implements `HostStates` for all who use the same server.

    Every method raises redis-py's errors when the server does not answer in `timeout_s` seconds.
    """

    def __init__(self, target: Target, *, timeout_s: float) -> None:
        options = {"socket_connect_timeout": timeout_s, "protocol": 2}
        self._redis: Any = Redis(connection_pool=make_pool(target, options, timeout_s=timeout_s))
        self._enter = self._redis.register_script(ENTER)
        self._leave = self._redis.register_script(LEAVE)
        self._hold = self._redis.register_script(HOLD)

    def enter(self, host: str, visitor: Visitor, pace: HostPace, lease_s: float) -> float:
        """Ask to visit now."""
        keys = [key_of(host, name) for name in ("state", "slots", "inside")]
        lease_ms = _ms(min(lease_s, MAX_LEASE_S))
        moments: list[str | int] = [_ms(s) for s in (LATE_S, EARLY_S, HELD_SPACING_S, KEPT_S, USUAL_VISIT_S)]
        asked: list[str | int] = [visitor.id, int(visitor.is_urgent), _ms(pace.interval_s), pace.most, lease_ms]
        return float(self._enter(keys, asked + moments)) / 1000

    def leave(self, host: str, visitor: Visitor, took_s: float) -> None:
        """The visit is over."""
        self._leave(
            [key_of(host, "state"), key_of(host, "inside")], [visitor.id, _ms(took_s), _ms(USUAL_VISIT_S), _ms(KEPT_S)]
        )

    def hold(self, host: str, delay_s: float) -> None:
        """The host asked for patience."""
        self._hold([key_of(host, "state")], [_ms(delay_s), _ms(KEPT_S)])

    def robots(self, origin: str) -> bytes | None:
        """What was kept."""
        kept: bytes | None = self._redis.get(f"{ROBOTS_PREFIX}{{{origin}}}")
        return kept

    def keep_robots(self, origin: str, kept: bytes, for_s: float) -> None:
        """Keep it."""
        self._redis.set(f"{ROBOTS_PREFIX}{{{origin}}}", kept, px=_ms(for_s))


class FallbackHosts:
    """Implements `HostStates` over those of all workers and those of this process."""

    def __init__(self, shared: HostStates, local: HostStates, clock: Clock) -> None:
        self._states: SharedOrOwn[HostStates] = SharedOrOwn(shared, local, clock, "turns at hosts")

    def enter(self, host: str, visitor: Visitor, pace: HostPace, lease_s: float) -> float:
        """Ask to visit now."""
        return self._states.ask(lambda states: states.enter(host, visitor, pace, lease_s))

    def leave(self, host: str, visitor: Visitor, took_s: float) -> None:
        """The visit is over."""
        self._states.ask(lambda states: states.leave(host, visitor, took_s))

    def hold(self, host: str, delay_s: float) -> None:
        """The host asked for patience."""
        self._states.ask(lambda states: states.hold(host, delay_s))

    def robots(self, origin: str) -> bytes | None:
        """What was kept."""
        return self._states.ask(lambda states: states.robots(origin))

    def keep_robots(self, origin: str, kept: bytes, for_s: float) -> None:
        """Keep it."""
        self._states.ask(lambda states: states.keep_robots(origin, kept, for_s))


def hosts_at(url: str, clock: Clock) -> HostStates:
    """The states at a broker's URL; those of this process where the broker is not Redis."""
    local = LocalHosts(clock)
    try:
        target = read_url(url)
    except ValueError:
        return local
    return FallbackHosts(SharedHosts(target, timeout_s=timeout_s(len(target.sentinels))), local, clock)


def key_of(host: str, name: str) -> str:
    """Where one of the three things is kept that are known of a host."""
    return f"{PREFIX}{{{host}}}:{name}"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
