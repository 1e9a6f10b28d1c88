-- settled -> waiting: Kafka has the outcome `unknown`, and a person decides whether the reply is sent again, so it is kept.
-- KEYS  1 entry
-- ARGV  1 hash of the outcome
-- {'done'}, also for a repeat.
local entry = KEYS[1]
if redis.call('HGET', entry, 's') == 'settled' then
  redis.call('HSET', entry, 's', 'waiting', 'h', ARGV[1])
  redis.call('HDEL', entry, 'c', 'f', 'l', 't', 'w')
end
return {'done'}
