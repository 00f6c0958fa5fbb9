#!lua flags=allow-oom
-- One turn of a consumer: acknowledge, move what is due into its lane, read in lane order up to the credit.
-- What it writes replaces what it deletes, so it may run when the server is out of memory.
-- KEYS: per queue the delayed set (zset), the redelivery stream, one stream per lane; then one stream per ack
-- ARGV: group, consumer, credit, number of queues, number of lanes, most delayed messages to move or 0 not to look,
--       share of the lower lanes (one message in so many) or 0, messages read in order since a lower lane had its
--       share, shares had so far, then one entry id per ack
-- Returns: ms until the next message is due, or -1 if there is none or it was not looked for;
--          messages read in order and shares as they are now;
--          entries {queue from 0, stream from 0 (0: redelivery), id, fields}
local group, consumer, credit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local queues, lanes, most = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local share, in_order, shares = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local FIRST_ACK = 10
local stride = lanes + 2
local entries, next_ms = {}, -1

local touched = {}
for i = FIRST_ACK, #ARGV do
  local stream = KEYS[queues * stride + i - FIRST_ACK + 1]
  redis.call('XACK', stream, group, ARGV[i])
  redis.call('XDEL', stream, ARGV[i])
  touched[stream] = true
end
for stream in pairs(touched) do
  keep_lag(stream)
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

-- Reads up to `count` messages of one stream; returns how many there were.
local function read(queue, place, count)
  local stream = KEYS[queue * stride + 2 + place]
  local command = {'XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, 'STREAMS', stream, '>'}
  local reply = redis.pcall(unpack(command))
  if reply and reply.err then
    if not string.find(reply.err, 'NOGROUP', 1, true) then
      return error(reply.err)
    end
    -- From 0, never $: what was published before the group was lost must be read.
    redis.call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
    reply = redis.call(unpack(command))
  end
  if not reply then
    return 0
  end
  for _, entry in ipairs(reply[1][2]) do
    entries[#entries + 1] = {queue, place, entry[1], entry[2]}
  end
  return #reply[1][2]
end

local function read_lane(place, count)
  local had = 0
  for queue = 0, queues - 1 do
    if had < count then
      had = had + read(queue, place, count - had)
    end
  end
  return had
end

local function read_in_order(count)
  local had = 0
  for place = 0, lanes do
    if had < count then
      had = had + read_lane(place, count - had)
    end
  end
  return had
end

-- The lower lanes have their shares in turn; one that is empty passes it on.
local function read_share()
  local first = shares
  shares = shares + 1
  for i = 0, lanes - 2 do
    if read_lane(2 + (first + i) % (lanes - 1), 1) == 1 then
      return 1
    end
  end
  return 0
end

if most > 0 then
  local now = redis.call('TIME')
  local now_ms = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
  for queue = 0, queues - 1 do
    promote(queue, now_ms)
  end
end

while credit > 0 do
  local wanted = share > 0 and math.min(credit, share - 1 - in_order) or credit
  local had = wanted > 0 and read_in_order(wanted) or 0
  in_order, credit = in_order + had, credit - had
  if had < wanted then
    break
  end
  if share > 0 and in_order >= share - 1 and credit > 0 then
    in_order, credit = 0, credit - read_share()
  end
end
return {next_ms, in_order, shares, entries}
