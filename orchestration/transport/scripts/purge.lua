#!lua flags=allow-oom
-- Deletes what no consumer has taken yet, delayed messages too; leaves what is being worked on.
-- KEYS: delayed set (zset), redelivery stream, one stream per lane
-- ARGV: group
-- Returns: number deleted
local deleted = redis.call('ZCARD', KEYS[1])
redis.call('DEL', KEYS[1])
for i = 2, #KEYS do
  local stream = KEYS[i]
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  if not groups.err then
    local read = '0-0'
    for _, info in ipairs(groups) do
      for j = 1, #info, 2 do
        if info[j] == 'last-delivered-id' then
          read = info[j + 1]
        end
      end
    end
    repeat
      local entries = redis.call('XRANGE', stream, '(' .. read, '+', 'COUNT', 500)
      for _, entry in ipairs(entries) do
        deleted = deleted + redis.call('XDEL', stream, entry[1])
      end
    until #entries == 0
    if #groups > 0 then
      -- Without the counter the group's lag would be unknown from here on.
      local info, added = redis.call('XINFO', 'STREAM', stream), 0
      for j = 1, #info, 2 do
        if info[j] == 'entries-added' then
          added = info[j + 1]
        end
      end
      redis.call('XGROUP', 'SETID', stream, ARGV[1], '$', 'ENTRIESREAD', added)
    end
  end
end
return deleted
