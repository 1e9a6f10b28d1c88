-- sending -> reserved (nothing was taken) | sending (the next part) | settled.
-- KEYS  1 entry  2 rights of the user
-- ARGV  1 fence  2 part  3 attempt  4 result of the part; empty: nothing was taken  5 end; empty: more parts follow
--       6 end of the next part's lease  7 units to give back  8 '1': the platform says that the window is closed
--       9 times that bytes of the part may have been sent, kept while it is not settled
-- {'done'}, also for a repeat; {'moved', field, value, ...} if the entry is somewhere else.
local entry, rights = KEYS[1], KEYS[2]

local turn = ARGV[1] .. '|' .. ARGV[2] .. '|' .. ARGV[3]
local is = redis.call('HMGET', entry, 's', 'f', 'p', 'a', 't')
if is[5] == turn then return {'done'} end
if is[1] ~= 'sending' or is[2] ~= ARGV[1] or is[3] ~= ARGV[2] or is[4] ~= ARGV[3] then
  return {'moved', unpack(redis.call('HGETALL', entry))}
end

redis.call('HSET', entry, 't', turn)
if ARGV[4] == '' then
  redis.call('HSET', entry, 's', 'reserved', 'c', ARGV[9])
  return {'done'}
end
redis.call('HSET', entry, 'o' .. ARGV[2], ARGV[4])
counted(rights, ARGV[4])
if ARGV[5] == '' then
  redis.call('HSET', entry, 'p', tonumber(ARGV[2]) + 1, 'a', 1, 'c', 0, 'l', ARGV[6])
  return {'done'}
end

redis.call('HSET', entry, 's', 'settled', 'e', ARGV[5])
local held = redis.call('HMGET', rights, 'left', 'most')
if held[1] then
  local left = math.min(tonumber(held[1]) + tonumber(ARGV[7]), tonumber(held[2]))
  redis.call('HSET', rights, 'left', ARGV[8] == '1' and 0 or left)
end
return {'done'}
