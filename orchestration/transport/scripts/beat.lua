#!lua flags=allow-oom
-- One beat of a consumer's lease. Tiny, and the fleet depends on it, so it may run when the server is full.
-- KEYS: heartbeat (string), scanner (string), incarnation (string), names of queues (set)
-- ARGV: consumer, lease in ms, marker to set where there is none, 1 if its lease was unbroken so far, then its queues
-- Returns: 1 if the lease was still held; 1 if it is the scanner; the incarnation; all queues, for the scanner
local held = redis.call('SET', KEYS[1], '1', 'PX', ARGV[2], 'XX')
if not held then
  redis.call('SET', KEYS[1], '1', 'PX', ARGV[2])
end
redis.call('SET', KEYS[3], ARGV[3], 'NX')
if #ARGV > 4 then
  redis.call('SADD', KEYS[4], unpack(ARGV, 5))
end
local scanner = redis.call('GET', KEYS[2])
if held and ARGV[4] == '1' and (not scanner or scanner == ARGV[1]) then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
  return {held and 1 or 0, 1, redis.call('GET', KEYS[3]), redis.call('SMEMBERS', KEYS[4])}
end
return {held and 1 or 0, 0, redis.call('GET', KEYS[3]), {}}
