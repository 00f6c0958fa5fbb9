#!lua flags=allow-oom
-- Gives back messages of one queue that this consumer still owns, or sets aside what is none.
-- KEYS: dead letters (stream), redelivery stream, then the stream of each entry
-- ARGV: group, consumer, delivery limit, most dead letters kept, why ('unseen', 'rejected', which counts as a failed
--       delivery, or 'not_a_message', which cannot be delivered), then one entry id each
-- Returns: number given back or set aside
local group, consumer, limit, why = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[5]
local given = 0
for i = 6, #ARGV do
  local stream, id = KEYS[i - 3], ARGV[i]
  local owned = redis.pcall('XPENDING', stream, group, id, id, 1, consumer)
  if not owned.err and owned[1] then
    local entry = redis.call('XRANGE', stream, id, id)[1]
    redis.call('XACK', stream, group, id)
    redis.call('XDEL', stream, id)
    if entry then
      local message, count = counted(entry[2], why == 'rejected' and 1 or 0)
      if why == 'not_a_message' or (why == 'rejected' and count >= limit) then
        redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*', unpack(explained(message, why, consumer)))
      else
        redis.call('XADD', KEYS[2], '*', unpack(message))
      end
      given = given + 1
    end
    keep_lag(stream)
  end
end
return given
