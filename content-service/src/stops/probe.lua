-- Takes the right to try a stopped account, and puts off the next try.
-- KEYS  1 stops
-- ARGV  1 AppId  2 now  3 when the next one may try
-- {'open', ''}; {'mine', stop}; {'others', stop}.
local is = redis.call('HGET', KEYS[1], ARGV[1])
if not is then return {'open', ''} end
local untill, probe, why = string.match(is, '^(%d+)|(%d+)|(.*)$')
if not untill then
  redis.call('HDEL', KEYS[1], ARGV[1])
  return {'open', ''}
end
if tonumber(probe) > tonumber(ARGV[2]) then return {'others', is} end
if tonumber(untill) < tonumber(ARGV[3]) then untill = ARGV[3] end
local now = untill .. '|' .. ARGV[3] .. '|' .. why
redis.call('HSET', KEYS[1], ARGV[1], now)
return {'mine', now}
