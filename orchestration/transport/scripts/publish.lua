#!lua
-- Appends one message to its lane, or to the delayed set; the same publication twice appends once.
-- KEYS: the publisher's marker (string), the lane (stream) or the delayed set (zset)
-- ARGV: sequence number, marker's life in ms, delay in ms or '', lane's place, task id, head, body
local before = redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2], 'GET')
if before == ARGV[1] then
  return 0
end
if ARGV[3] == '' then
  redis.call('XADD', KEYS[2], '*', 't', ARGV[5], 'h', ARGV[6], 'b', ARGV[7])
  return 1
end
local now = redis.call('TIME')
local due_ms = tonumber(now[1]) * 1000 + math.ceil(tonumber(now[2]) / 1000) + tonumber(ARGV[3])
redis.call('ZADD', KEYS[2], due_ms, cmsgpack.pack({tonumber(ARGV[4]), ARGV[5], ARGV[6], ARGV[7]}))
return 1
