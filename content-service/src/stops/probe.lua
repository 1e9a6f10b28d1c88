-- Takes the right to try a stopped account, and puts off the next try.
-- KEYS  1 stops
-- ARGV  1 AppId  2 now
-- {'open', ''}; {'mine', stop}; {'others', stop}.
local is = redis.call('HGET', KEYS[1], ARGV[1])
if not is then return {'open', ''} end
local untill, probe, every, why = string.match(is, '^(%d+)|(%d+)|(%d+)|(.*)$')
if not untill then
  redis.call('HDEL', KEYS[1], ARGV[1])
  return {'open', ''}
end
if tonumber(probe) > tonumber(ARGV[2]) then return {'others', is} end
local next = string.format('%.0f', tonumber(ARGV[2]) + tonumber(every))
if tonumber(untill) < tonumber(next) then untill = next end
local now = table.concat({untill, next, every, why}, '|')
redis.call('HSET', KEYS[1], ARGV[1], now)
return {'mine', now}
