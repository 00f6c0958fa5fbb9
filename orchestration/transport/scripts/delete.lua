#!lua flags=allow-oom
-- Forgets a queue and all it holds.
-- KEYS: names of queues (set), then all keys of the queue
-- ARGV: the queue
redis.call('SREM', KEYS[1], ARGV[1])
return redis.call('DEL', unpack(KEYS, 2))
