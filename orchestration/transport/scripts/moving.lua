-- Prelude of the scripts that move entries. Some may be of others and have any fields, which they keep.
-- Returns an entry's fields with the number of its failed deliveries as the last one, and that number.
local function counted(fields, failed)
  local moved, count = {}, failed
  for i = 1, #fields, 2 do
    if fields[i] == 'n' then
      count = count + (tonumber(fields[i + 1]) or 0)
    else
      moved[#moved + 1] = fields[i]
      moved[#moved + 1] = fields[i + 1]
    end
  end
  moved[#moved + 1] = 'n'
  moved[#moved + 1] = count
  return moved, count
end

-- The same fields as those of a dead letter. Of two of one name the last counts.
local function explained(fields, reason, consumer)
  for _, word in ipairs({'reason', reason, 'consumer', consumer}) do
    fields[#fields + 1] = word
  end
  return fields
end
