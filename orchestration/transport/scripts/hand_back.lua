#!lua flags=allow-oom
-- Gives back messages of one queue that this consumer still owns.
-- KEYS: dead letters (stream), redelivery stream, then the stream of each entry
-- ARGV: group, consumer, delivery limit, most dead letters kept, 1 if the delivery failed, then one entry id each
-- Returns: number given back
local group, consumer, limit, failed = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[5])
local given = 0
for i = 6, #ARGV do
  local stream, id = KEYS[i - 3], ARGV[i]
  local owned = redis.pcall('XPENDING', stream, group, id, id, 1, consumer)
  if not owned.err and owned[1] then
    local entry = redis.call('XRANGE', stream, id, id)[1]
    redis.call('XACK', stream, group, id)
    redis.call('XDEL', stream, id)
    if entry then
      local fields = {}
      for j = 1, #entry[2], 2 do
        fields[entry[2][j]] = entry[2][j + 1]
      end
      local count = tonumber(fields.n or 0) + failed
      local message = {'t', fields.t, 'h', fields.h, 'b', fields.b, 'n', count}
      if failed == 1 and count >= limit then
        redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*', 'reason', 'rejected', 'consumer', consumer,
          unpack(message))
      else
        redis.call('XADD', KEYS[2], '*', unpack(message))
      end
      given = given + 1
    end
    keep_lag(stream)
  end
end
return given
