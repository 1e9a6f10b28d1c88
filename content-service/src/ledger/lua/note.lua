-- settled -> settled: what was shown is not recorded, and whoever publishes the outcome again has to say the same.
-- KEYS  1 entry
-- {'done'}, also for a repeat.
local entry = KEYS[1]
if redis.call('HGET', entry, 's') == 'settled' then redis.call('HSET', entry, 'w', '1') end
return {'done'}
