#!lua flags=no-writes
-- Counts what stands in a queue.
-- KEYS: delayed set (zset), dead letters (stream), redelivery stream, one stream per lane
-- ARGV: group
-- Returns: delayed, dead letters, then length and number pending of each of the other streams
local counts = {redis.call('ZCARD', KEYS[1]), redis.call('XLEN', KEYS[2])}
for i = 3, #KEYS do
  local pending = redis.pcall('XPENDING', KEYS[i], ARGV[1])
  counts[#counts + 1] = redis.call('XLEN', KEYS[i])
  counts[#counts + 1] = pending.err and 0 or pending[1]
end
return counts
