-- reserved -> sending: from here on the part counts as sent unless somebody proves otherwise.
-- KEYS  1 entry
-- ARGV  1 fence  2 part  3 attempt, one more than the last  4 lease ms
-- Of two owners whoever comes first arms; the fence tells a repeat from a rival, and an owner that has lost its partition does not send.
-- {'done'}, also for a repeat; {'moved', field, value, ...} if the entry is somewhere else.
local entry = KEYS[1]
local is = redis.call('HMGET', entry, 's', 'f', 'p', 'a')
local mine = is[1] == 'sending' and is[2] == ARGV[1] and is[3] == ARGV[2] and is[4] == ARGV[3]
local free = is[1] == 'reserved' and is[3] == ARGV[2] and tonumber(is[4]) + 1 == tonumber(ARGV[3])
if not (mine or free) then return {'moved', unpack(redis.call('HGETALL', entry))} end
redis.call('HSET', entry, 's', 'sending', 'f', ARGV[1], 'a', ARGV[3], 'l', lease_end(ARGV[4]))
return {'done'}
