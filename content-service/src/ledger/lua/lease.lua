-- Put before scripts that begin or end a lease: the server's own time, since the clocks of two owners may differ.
local function server_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function lease_end(ms)
  return string.format('%.0f', server_ms() + tonumber(ms))
end

