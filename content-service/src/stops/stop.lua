-- Stops an account, or keeps it stopped: the longer stop holds.
-- KEYS  1 stops
-- ARGV  1 AppId  2 until  3 when one may try  4 and then how often, ms  5 why
local untill, probe, every, why = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local is = redis.call('HGET', KEYS[1], ARGV[1])
if is then
  local held, next, often, reason = string.match(is, '^(%d+)|(%d+)|(%d+)|(.*)$')
  if held and tonumber(held) > tonumber(untill) then untill, every, why = held, often, reason end
  if next and tonumber(next) > tonumber(probe) then probe = next end
end
redis.call('HSET', KEYS[1], ARGV[1], table.concat({untill, probe, every, why}, '|'))
