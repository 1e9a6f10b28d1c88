-- sending -> settled as unknown, once the lease is over: bytes may have left. Where it may be sent again, -> reserved instead, once.
-- KEYS  1 entry  2 rights of the user
-- ARGV  1 now  2 result of the part  3 end  4 fence  5 times that bytes of the part may have been sent  6 '1': may be sent again
--       7 the attempt (fence|lease end|part|number) that the finder has seen under way for a whole lease by its own clock, since that of
--       the server may have stepped back; empty: none
-- Always {'found', field, value, ...}: what the entry is afterwards.
local entry, rights = KEYS[1], KEYS[2]

local is = redis.call('HMGET', entry, 's', 'l', 'p', 'n', 'f', 'a')
local attempt = table.concat({is[5] or '', is[2] or '', is[3] or '', is[6] or ''}, '|')
if is[1] == 'sending' and (tonumber(is[2]) <= server_ms() or attempt == ARGV[7]) then
  counted(rights, ARGV[2])
  if ARGV[6] == '1' and again(entry, rights, ARGV[4], is[3], 1, ARGV[5], tonumber(ARGV[1])) then
    release(rights, 1, 0)
  else
    redis.call('HSET', entry, 's', 'settled', 'e', ARGV[3], 'o' .. is[3], ARGV[2])
    local untried = (tonumber(is[4]) or 0) - tonumber(is[3]) - 1
    release(rights, 1 + math.max(untried, 0), math.max(untried, 0))
  end
end
return {'found', unpack(redis.call('HGETALL', entry))}
