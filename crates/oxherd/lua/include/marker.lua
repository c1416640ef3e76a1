-- Wake-up signals for idle workers: member "0" says "there may be work", member "1" carries the ms at which
-- the earliest delayed job becomes due.
local function mark_work(prefix)
  redis.call('ZADD', prefix .. 'marker', 0, '0')
end

local function next_due(prefix)
  local first = redis.call('ZRANGE', prefix .. 'delayed', 0, 0, 'WITHSCORES')
  if not first[2] then return nil end
  return tonumber(first[2]) / 4096
end

local function mark_due(prefix)
  local due = next_due(prefix)
  if due then redis.call('ZADD', prefix .. 'marker', due, '1') end
end
