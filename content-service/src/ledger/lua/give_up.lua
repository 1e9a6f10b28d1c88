-- reserved -> settled: what was not sent will not be; its units go back.
-- KEYS  1 entry  2 rights of the user
-- ARGV  1 part  2 result of that part; empty: it was never tried  3 end  4 units to give back
-- {'done'}, also for a repeat; {'moved', field, value, ...} if the entry is somewhere else.
local entry, rights = KEYS[1], KEYS[2]
local is = redis.call('HMGET', entry, 's', 'p', 'e')
if is[1] == 'settled' and is[3] == ARGV[3] then return {'done'} end
if is[1] ~= 'reserved' or is[2] ~= ARGV[1] then
  return {'moved', unpack(redis.call('HGETALL', entry))}
end
if ARGV[2] ~= '' then redis.call('HSET', entry, 'o' .. ARGV[1], ARGV[2]) end
redis.call('HSET', entry, 's', 'settled', 'e', ARGV[3])
release(rights, tonumber(ARGV[4]), tonumber(ARGV[4]))
return {'done'}
