-- settled -> settled: what was shown is not recorded, and whoever publishes the outcome again has to say the same.
-- KEYS  1 entry
-- {'done'}, also for a repeat; {'moved', field, value, ...} if the entry is somewhere else: the outcome has been published without it.
local entry = KEYS[1]
if redis.call('HGET', entry, 's') ~= 'settled' then return {'moved', unpack(redis.call('HGETALL', entry))} end
redis.call('HSET', entry, 'w', '1')
return {'done'}
