-- Removes an external id if it still leads to the given user.
-- KEYS[1]  the external id
-- ARGV[1]  the user, `<app_id>:<openid>`
-- Returns 1 if it was removed, else 0.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
