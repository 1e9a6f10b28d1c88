-- sending -> settled as unknown, once the lease is over: bytes may have left, so nobody sends it again.
-- KEYS  1 entry  2 rights of the user
-- ARGV  1 now  2 result of the part  3 end
-- Always {'found', field, value, ...}: what the entry is afterwards.
local entry, rights = KEYS[1], KEYS[2]

local is = redis.call('HMGET', entry, 's', 'l', 'p')
if is[1] == 'sending' and tonumber(is[2]) <= tonumber(ARGV[1]) then
  redis.call('HSET', entry, 's', 'settled', 'e', ARGV[3], 'o' .. is[3], ARGV[2])
  counted(rights, ARGV[2])
end
return {'found', unpack(redis.call('HGETALL', entry))}
