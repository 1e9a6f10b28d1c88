-- settled -> closed: Kafka has the outcome; decision and parts shrink to a hash.
-- KEYS  1 entry
-- ARGV  1 hash of the outcome
local entry = KEYS[1]
local state = redis.call('HGET', entry, 's')
if state == 'settled' then
  redis.call('HSET', entry, 's', 'closed', 'h', ARGV[1])
  redis.call('HDEL', entry, 'b', 'c', 'g', 'f', 'l', 't', 'w')
end
return state
