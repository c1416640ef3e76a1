-- Whether somebody is about to write what this key stands for. Marks that ended are removed.
local function is_marked(key)
  if redis.call('EXISTS', key) == 0 then return false end
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local marks, found = redis.call('HGETALL', key), false
  for at = 1, #marks, 2 do
    if tonumber(marks[at + 1]) > now then
      found = true
    else
      redis.call('HDEL', key, marks[at])
    end
  end
  return found
end
