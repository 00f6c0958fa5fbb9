#!lua flags=no-writes
-- Looks for the message that has waited longest for a consumer: nobody has read it, or it is due and not in its lane.
-- KEYS: delayed set (zset), redelivery stream, one stream per lane
-- ARGV: group
-- Returns: for how many ms it has waited, or -1 when none waits
local now = redis.call('TIME')
local now_ms = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
local oldest_ms

local function note(since_ms)
  oldest_ms = math.min(oldest_ms or since_ms, since_ms)
end

-- Where the unread begin: all of them where there is no group.
local function after_last_read(stream)
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  for _, info in ipairs(groups.err and {} or groups) do
    local facts = {}
    for i = 1, #info, 2 do
      facts[info[i]] = info[i + 1]
    end
    if facts.name == ARGV[1] then
      return '(' .. facts['last-delivered-id']
    end
  end
  return '-'
end

local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if first[2] and tonumber(first[2]) <= now_ms then
  note(tonumber(first[2]))
end
for i = 2, #KEYS do
  local unread = redis.call('XRANGE', KEYS[i], after_last_read(KEYS[i]), '+', 'COUNT', 1)[1]
  if unread then
    -- An entry's id begins with the time at which it came.
    note(tonumber(string.match(unread[1], '^%d+')))
  end
end
return oldest_ms and math.max(now_ms - oldest_ms, 0) or -1
