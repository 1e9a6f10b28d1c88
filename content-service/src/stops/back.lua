-- An event ended before it tried: another may try at once, unless one has taken the right since.
-- KEYS  1 stops
-- ARGV  1 AppId  2 when the next one might try, as the right to try said  3 now
local is = redis.call('HGET', KEYS[1], ARGV[1])
if not is then return end
local untill, probe, rest = string.match(is, '^(%d+)|(%d+)|(.*)$')
if probe == ARGV[2] then redis.call('HSET', KEYS[1], ARGV[1], table.concat({untill, ARGV[3], rest}, '|')) end
