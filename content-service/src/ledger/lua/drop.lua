-- waiting -> closed: it stays unknown.
-- KEYS  1 entry
-- {'done'}, also for a repeat.
local entry = KEYS[1]
if redis.call('HGET', entry, 's') == 'waiting' then
  redis.call('HSET', entry, 's', 'closed')
  redis.call('HDEL', entry, 'b', 'g')
end
return {'done'}
