-- An event got through: the account is open again, unless it was stopped once more meanwhile.
-- KEYS  1 stops
-- ARGV  1 AppId  2 when the next one may try, as the right to try said
local is = redis.call('HGET', KEYS[1], ARGV[1])
if is and string.match(is, '^%d+|(%d+)|') == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
