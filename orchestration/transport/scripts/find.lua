#!lua flags=no-writes
-- Looks for messages of some tasks in one stretch of a stream, or of the delayed set.
-- KEYS: stream or delayed set (zset)
-- ARGV: where to begin (an entry id, or a rank from the end), most to look at, then task ids
-- Returns: where to go on or '' at the end; task ids found
local wanted, found, most = {}, {}, tonumber(ARGV[2])
for i = 3, #ARGV do
  wanted[ARGV[i]] = true
end
local function note(task)
  if wanted[task] then
    found[#found + 1] = task
  end
end
if redis.call('TYPE', KEYS[1]).ok == 'zset' then
  local from = tonumber(ARGV[1])
  -- From the end, since what becomes due leaves at the front and would shift the rest.
  local members = redis.call('ZRANGE', KEYS[1], from, from + most - 1, 'REV')
  for _, member in ipairs(members) do
    note(cmsgpack.unpack(member)[2])
  end
  return {#members < most and '' or tostring(from + most), found}
end
local entries = redis.call('XRANGE', KEYS[1], ARGV[1] == '0' and '-' or '(' .. ARGV[1], '+', 'COUNT', most)
for _, entry in ipairs(entries) do
  for j = 1, #entry[2], 2 do
    if entry[2][j] == 't' then
      note(entry[2][j + 1])
    end
  end
end
return {#entries < most and '' or entries[#entries][1], found}
