-- Tells who may not track keys that this one changed.
local function announce(channel, key)
  redis.call('PUBLISH', channel .. 'changed', key)
end

-- Ends a lease, whoever has it, and wakes those who wait for it.
local function end_lease(channel, key)
  local lease = redis.call('GET', key)
  if not lease then return end
  redis.call('DEL', key)
  if #lease > 16 then redis.call('PUBLISH', channel .. 'wake', key) end
end
