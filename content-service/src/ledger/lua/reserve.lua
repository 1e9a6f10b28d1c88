-- absent -> reserved | sending | settled. Raises the user's right, takes the units of all parts, and keeps decision and parts.
-- KEYS  1 entry  2 rights of the user
-- ARGV  1 now  2 fence  3 lease ms; 0: do not arm  4 parts to send  5 reply  6 end, where nothing is to be sent
--       7 ttl ms  8 name of the right granted; empty: none  9 its messages  10 its end  11, 12 reasons: used up, lapsed
--       13 when the user acted, by our clock  14 '1': the user has left, and all rights end
-- A repeat with the same fence gives the same answer: {'fresh', state, end, right|before|after|until}.
-- Somebody else's entry, or one that somebody else has brought further: {'found', field, value, ...}.
local entry, rights = KEYS[1], KEYS[2]
local now, fence, lease, parts = tonumber(ARGV[1]), ARGV[2], ARGV[3], tonumber(ARGV[4])

local known = redis.call('HMGET', entry, 's', 'f', 'e', 'g')
if known[1] then
  if known[2] ~= fence or known[1] == 'closed' or redis.call('HEXISTS', entry, 'o0') == 1 then
    return {'found', unpack(redis.call('HGETALL', entry))}
  end
  if known[1] == 'sending' then redis.call('HSET', entry, 'l', lease_end(lease)) end
  return {'fresh', known[1], known[3], known[4]}
end

local held = redis.call('HMGET', rights, 'left', 'until', 'most', 'right', 'sent', 'out')
local left, ends, most, right = tonumber(held[1]) or 0, tonumber(held[2]) or 0, tonumber(held[3]) or 0, held[4] or ''
local out = tonumber(held[6]) or 0
local revokes = ARGV[14] == '1'
if ends <= now or revokes then left, ends, most = 0, 0, 0 end
if ARGV[8] ~= '' and tonumber(ARGV[10]) > now then
  -- The platform granted this when the user acted: what has left since then came out of it already, and what is still to leave will.
  local since = 0
  for at in string.gmatch(held[5] or '', '%d+') do
    if tonumber(at) >= tonumber(ARGV[13]) then since = since + 1 end
  end
  right = ARGV[8]
  left, most = math.max(left, tonumber(ARGV[9]) - since - out), math.max(most, tonumber(ARGV[9]))
  ends = math.max(ends, tonumber(ARGV[10]))
end

local before, state, ended = left, 'settled', ARGV[6]
if ended == '' then
  if ends <= now then
    ended = string.format('2|0|%.0f|%s', now, ARGV[12])
  elseif left < parts then
    ended = string.format('2|%.0f|%.0f|%s', ends, now, ARGV[11])
  else
    left, out = left - parts, out + parts
    state = lease == '0' and 'reserved' or 'sending'
  end
end
if ends > now or (revokes and held[1]) then
  redis.call('HSET', rights, 'left', left, 'until', ends, 'most', most, 'right', right, 'out', out)
  redis.call('PEXPIRE', rights, ARGV[7])
end

local budget = string.format('%s|%.0f|%.0f|%.0f', right, before, left, ends)
local attempt = state == 'sending' and 1 or 0
redis.call('HSET', entry, 's', state, 'f', fence, 'l', lease == '0' and 0 or lease_end(lease), 'p', 0, 'a', attempt, 'n', parts, 'b', ARGV[5],
  'e', ended, 'g', budget)
redis.call('PEXPIRE', entry, ARGV[7])
return {'fresh', state, ended, budget}
