#!lua flags=allow-oom
-- One turn of a consumer: acknowledge, move what is due into its lane, read in lane order up to the credit.
-- What it writes replaces what it deletes, so it may run when the server is out of memory.
-- KEYS: per queue the delayed set (zset), the redelivery stream, one stream per lane; then one stream per ack
-- ARGV: group, consumer, credit, number of queues, number of lanes, lane to read one message of first or 0,
--       most delayed messages to move or 0 not to look, then one entry id per ack
-- Returns: ms until the next message is due, or -1 if there is none or it was not looked for;
--          entries {queue from 0, stream from 0 (0: redelivery), id, fields}
local group, consumer, credit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local queues, lanes, favoured, most = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local stride = lanes + 2
local entries, next_ms = {}, -1

for i = 8, #ARGV do
  local stream = KEYS[queues * stride + i - 7]
  redis.call('XACK', stream, group, ARGV[i])
  redis.call('XDEL', stream, ARGV[i])
end

local function promote(queue, now_ms)
  local delayed = KEYS[queue * stride + 1]
  local first = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
  if first[2] and tonumber(first[2]) <= now_ms then
    for _, member in ipairs(redis.call('ZRANGE', delayed, '-inf', now_ms, 'BYSCORE', 'LIMIT', 0, most)) do
      local message = cmsgpack.unpack(member)
      local lane = KEYS[queue * stride + 2 + math.min(message[1], lanes)]
      redis.call('XADD', lane, '*', 't', message[2], 'h', message[3], 'b', message[4])
      redis.call('ZREM', delayed, member)
    end
    first = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
  end
  if first[2] then
    local wait_ms = math.max(tonumber(first[2]) - now_ms, 0)
    if next_ms < 0 or wait_ms < next_ms then
      next_ms = wait_ms
    end
  end
end

local function take(queue, place, count)
  local stream = KEYS[queue * stride + 2 + place]
  local read = {'XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, 'STREAMS', stream, '>'}
  local reply = redis.pcall(unpack(read))
  if reply and reply.err then
    if not string.find(reply.err, 'NOGROUP', 1, true) then
      return error(reply.err)
    end
    -- From 0, never $: what was published before the group was lost must be read.
    redis.call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
    reply = redis.call(unpack(read))
  end
  if not reply then
    return
  end
  for _, entry in ipairs(reply[1][2]) do
    entries[#entries + 1] = {queue, place, entry[1], entry[2]}
    credit = credit - 1
  end
end

local function take_of_all(place, most_of_it)
  for queue = 0, queues - 1 do
    local count = math.min(credit, most_of_it)
    if count <= 0 then
      return
    end
    take(queue, place, count)
  end
end

if most > 0 then
  local now = redis.call('TIME')
  local now_ms = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
  for queue = 0, queues - 1 do
    promote(queue, now_ms)
  end
end

if credit > 0 then
  take_of_all(0, credit)
  if favoured > 0 then
    take_of_all(favoured, 1)
  end
  for lane = 1, lanes do
    take_of_all(lane, credit)
  end
end
return {next_ms, entries}
