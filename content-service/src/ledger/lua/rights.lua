-- Put before other scripts: what the transitions of an entry do to the rights of its user.
-- Fields of the rights: `left` units not taken, `out` units taken whose end is not written yet, `most`, `until`, `right`, `sent`.

-- Remembers when a message left that the platform may have counted; no right grants more than the five that are kept.
local function counted(rights, part)
  local outcome, at = string.match(part, '^(%d+)|%-?%d*|(%d+)|')
  if (outcome ~= '1' and outcome ~= '4') or redis.call('EXISTS', rights) == 0 then return end
  local times = {at}
  for time in string.gmatch(redis.call('HGET', rights, 'sent') or '', '%d+') do
    if #times < 5 then table.insert(times, time) end
  end
  redis.call('HSET', rights, 'sent', table.concat(times, ' '))
end

-- `ended` units have their end; `back` of them were not used.
local function release(rights, ended, back)
  local held = redis.call('HMGET', rights, 'left', 'most', 'out')
  if not held[1] then return end
  redis.call('HSET', rights, 'left', math.min(tonumber(held[1]) + back, tonumber(held[2])),
    'out', math.max((tonumber(held[3]) or 0) - ended, 0))
end

-- Takes units for a part that is sent again, and makes the entry `reserved`; false if the entry had that already or the right does
-- not give it.
local function again(entry, rights, fence, part, units, attempts, now)
  if redis.call('HEXISTS', entry, 'r') == 1 then return false end
  local held = redis.call('HMGET', rights, 'left', 'until', 'right', 'out')
  local left, ends = (tonumber(held[1]) or 0) - units, tonumber(held[2]) or 0
  if left < 0 or ends <= now then return false end
  redis.call('HSET', rights, 'left', left, 'out', (tonumber(held[4]) or 0) + units)
  local before = string.match(redis.call('HGET', entry, 'g') or '', '^[^|]*|(%d+)|') or '0'
  local budget = string.format('%s|%s|%.0f|%.0f', held[3] or '', before, left, ends)
  redis.call('HSET', entry, 's', 'reserved', 'f', fence, 'r', part, 'c', attempts, 'g', budget)
  return true
end
