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
