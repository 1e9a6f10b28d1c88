-- waiting -> reserved: a person has it sent again. Takes the units of the unknown part and of all behind it.
-- KEYS  1 entry  2 rights of the user
-- ARGV  1 now  2 fence
-- {'no'}: the right does not give it, and it goes on waiting; {'later'}: Kafka does not have the unknown outcome yet; else
-- {'found', field, value, ...}, where `v` says that it is resumed.
local entry, rights = KEYS[1], KEYS[2]
local is = redis.call('HMGET', entry, 's', 'p', 'n', 'v')
if is[1] == 'settled' and not is[4] then return {'later'} end
if is[1] == 'waiting' then
  local result = redis.call('HGET', entry, 'o' .. is[2]) or ''
  local attempts = string.match(result, '^%d+|%-?%d*|%d+|(%d+)') or '1'
  local units = tonumber(is[3]) - tonumber(is[2])
  if not again(entry, rights, ARGV[2], is[2], units, attempts, tonumber(ARGV[1])) then return {'no'} end
  redis.call('HSET', entry, 'v', 1, 'a', 0, 'e', '')
  redis.call('HDEL', entry, 'o' .. is[2])
end
return {'found', unpack(redis.call('HGETALL', entry))}
