-- sending -> reserved (nothing was taken, or nobody knows and it is sent again) | sending (the next part) | settled.
-- KEYS  1 entry  2 rights of the user
-- ARGV  1 fence  2 part  3 attempt  4 result of the part; empty: nothing was taken  5 end; empty: more parts follow
--       6 lease ms of the next part  7 units to give back  8 '1': the platform says that the window is closed
--       9 times that bytes of the part may have been sent, kept while it is not settled
--       10 '1': may be sent again, if it never was and the right gives it  11 now
-- {'done'} or {'again', right|before|after|until}, the same for a repeat while the entry is where that has led it; {'moved', field,
-- value, ...} if it is somewhere else.
local entry, rights = KEYS[1], KEYS[2]

local turn = ARGV[1] .. '|' .. ARGV[2] .. '|' .. ARGV[3]
local is = redis.call('HMGET', entry, 's', 'f', 'p', 'a', 't', 'g', 'e')
if is[5] == turn then
  local same = is[3] == ARGV[2] and is[4] == ARGV[3]
  if is[1] == 'reserved' and same and ARGV[4] == '' then return {'done'} end
  if is[1] == 'reserved' and same and ARGV[10] == '1' then return {'again', is[6]} end
  if is[1] == 'settled' and ARGV[5] ~= '' and is[7] == ARGV[5] then return {'done'} end
  local follows = tonumber(is[3]) == tonumber(ARGV[2]) + 1 and is[4] == '1'
  if is[1] == 'sending' and is[2] == ARGV[1] and follows then
    redis.call('HSET', entry, 'l', lease_end(ARGV[6]))
    return {'done'}
  end
end
if is[1] ~= 'sending' or is[2] ~= ARGV[1] or is[3] ~= ARGV[2] or is[4] ~= ARGV[3] then
  return {'moved', unpack(redis.call('HGETALL', entry))}
end

redis.call('HSET', entry, 't', turn)
if ARGV[4] == '' then
  redis.call('HSET', entry, 's', 'reserved', 'c', ARGV[9])
  return {'done'}
end
counted(rights, ARGV[4])
if ARGV[10] == '1' and again(entry, rights, ARGV[1], ARGV[2], 1, ARGV[9], tonumber(ARGV[11])) then
  release(rights, 1, 0)
  return {'again', redis.call('HGET', entry, 'g')}
end
redis.call('HSET', entry, 'o' .. ARGV[2], ARGV[4])
if ARGV[5] == '' then
  redis.call('HSET', entry, 'p', tonumber(ARGV[2]) + 1, 'a', 1, 'c', 0, 'l', lease_end(ARGV[6]))
  release(rights, 1, 0)
  return {'done'}
end

redis.call('HSET', entry, 's', 'settled', 'e', ARGV[5])
release(rights, 1 + tonumber(ARGV[7]), tonumber(ARGV[7]))
if ARGV[8] == '1' and redis.call('EXISTS', rights) == 1 then redis.call('HSET', rights, 'left', 0) end
return {'done'}
