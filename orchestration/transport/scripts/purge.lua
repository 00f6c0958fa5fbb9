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
      -- Everything that was added counts as read, and nothing unread as deleted: otherwise the group's lag would be
      -- unknown from here on.
      local info, facts = redis.call('XINFO', 'STREAM', stream), {}
      for j = 1, #info, 2 do
        facts[info[j]] = info[j + 1]
      end
      redis.call('XGROUP', 'SETID', stream, ARGV[1], '$', 'ENTRIESREAD', facts['entries-added'])
      if facts['max-deleted-entry-id'] ~= '0-0' then
        redis.call('XSETID', stream, facts['last-generated-id'], 'ENTRIESADDED', facts['entries-added'],
          'MAXDELETEDID', '0-1')
      end
    end
  end
end
return deleted
