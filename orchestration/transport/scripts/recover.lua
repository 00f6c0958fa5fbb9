#!lua flags=allow-oom
-- Moves what dead consumers held to the redelivery stream, or to the dead letters at the limit.
-- KEYS: per queue the dead letters (stream), the redelivery stream, one stream per lane
-- ARGV: group, prefix of heartbeats, delivery limit, most dead letters kept, number of lanes, most to move
-- Returns: number moved, number of new dead letters
local group, limit, lanes, most = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[5]), tonumber(ARGV[6])
local stride = lanes + 2
local moved, dead, alive = 0, 0, {}

local function is_alive(consumer)
  if alive[consumer] == nil then
    alive[consumer] = redis.call('EXISTS', ARGV[2] .. consumer) == 1
  end
  return alive[consumer]
end

local function move(first, stream, id, consumer)
  local entry = redis.call('XRANGE', stream, id, id)[1]
  redis.call('XACK', stream, group, id)
  redis.call('XDEL', stream, id)
  if not entry then
    return
  end
  local message, count = counted(entry[2], 1)
  if count >= limit then
    redis.call('XADD', KEYS[first], 'MAXLEN', '~', ARGV[4], '*', unpack(explained(message, 'worker_lost', consumer)))
    dead = dead + 1
  else
    redis.call('XADD', KEYS[first + 1], '*', unpack(message))
    moved = moved + 1
  end
end

local function recover(first, stream)
  local consumers = redis.pcall('XINFO', 'CONSUMERS', stream, group)
  if consumers.err then
    return -- neither stream nor group: nothing was ever read
  end
  for _, info in ipairs(consumers) do
    local facts = {}
    for i = 1, #info, 2 do
      facts[info[i]] = info[i + 1]
    end
    if not is_alive(facts.name) then
      for _, pending in ipairs(redis.call('XPENDING', stream, group, '-', '+', most, facts.name)) do
        move(first, stream, pending[1], facts.name)
      end
      keep_lag(stream)
      if facts.pending <= most then
        redis.call('XGROUP', 'DELCONSUMER', stream, group, facts.name)
      end
    end
  end
end

for first = 1, #KEYS, stride do
  for place = 1, lanes + 1 do
    recover(first, KEYS[first + place])
  end
end
return {moved, dead}
