-- waiting -> closed: it stays unknown.
-- KEYS  1 entry
-- {'done'}, also for a repeat; {'later'}: Kafka does not have the outcome yet.
local entry = KEYS[1]
local is = redis.call('HMGET', entry, 's', 'v')
if is[1] == 'settled' and not is[2] then return {'later'} end
if is[1] == 'waiting' then
  redis.call('HSET', entry, 's', 'closed')
  redis.call('HDEL', entry, 'b', 'g')
end
return {'done'}
