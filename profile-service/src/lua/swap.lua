-- Replaces a profile if it is still the one that the writer started from.
-- KEYS[1]  the profile
-- ARGV[1]  stamp (first 8 bytes) of the value that the writer started from; empty: there was none
-- ARGV[2]  the new value
-- ARGV[3]  milliseconds to keep it; 0: for ever
-- Returns 1 if it was replaced, else the value that is there (empty: none), so that the next try needs no read.
if redis.call('GETRANGE', KEYS[1], 0, 7) ~= ARGV[1] then
  return redis.call('GET', KEYS[1]) or ''
end
if ARGV[3] == '0' then
  redis.call('SET', KEYS[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
