-- Prelude of the scripts that delete entries.
local function field(facts, name)
  for i = 1, #facts, 2 do
    if facts[i] == name then
      return facts[i + 1]
    end
  end
end

-- Once the last entry read is deleted while an earlier one is pending, the server takes it for possible that unread
-- ones were deleted too, and the group's lag for unknown. None ever are: tell it so, or nothing can scale by it.
local function keep_lag(stream)
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  if groups.err or not groups[1] or field(groups[1], 'lag') then
    return
  end
  local info = redis.call('XINFO', 'STREAM', stream)
  redis.call('XSETID', stream, field(info, 'last-generated-id'), 'ENTRIESADDED', field(info, 'entries-added'),
    'MAXDELETEDID', '0-1')
end
