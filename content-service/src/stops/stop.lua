-- Stops an account, or keeps it stopped: the longer stop holds.
-- KEYS  1 stops
-- ARGV  1 AppId  2 until  3 when one may try  4 why
local untill, probe, why = ARGV[2], ARGV[3], ARGV[4]
local is = redis.call('HGET', KEYS[1], ARGV[1])
if is then
  local held, next, reason = string.match(is, '^(%d+)|(%d+)|(.*)$')
  if held and tonumber(held) > tonumber(untill) then untill, why = held, reason end
  if next and tonumber(next) > tonumber(probe) then probe = next end
end
redis.call('HSET', KEYS[1], ARGV[1], untill .. '|' .. probe .. '|' .. why)
