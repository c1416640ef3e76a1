-- @include push
-- Moves delayed jobs whose time has come to where workers find them, at most 1000 a call.
local function promote_due(prefix, settings, now)
  local delayed = prefix .. 'delayed'
  local due = redis.call('ZRANGEBYSCORE', delayed, 0, (now + 1) * 4096 - 1, 'LIMIT', 0, 1000)
  if #due == 0 then return end
  redis.call('ZREM', delayed, unpack(due))
  for _, id in ipairs(due) do
    local key = prefix .. id
    local attributes = redis.pcall('HMGET', key, 'priority', 'timestamp')
    local is_job = not attributes.err and (attributes[1] or attributes[2])
    local priority = is_job and tonumber(attributes[1]) or 0
    if priority > 0 then
      redis.call('ZADD', prefix .. 'prioritized', priority_score(prefix, priority), id)
    else
      redis.call('LPUSH', prefix .. 'wait', id)
    end
    redis.call('XADD', prefix .. 'events', '*', 'event', 'waiting', 'jobId', id, 'prev', 'delayed')
    if is_job then redis.call('HSET', key, 'delay', 0) end
  end
  if not is_closed(prefix, settings) then mark_work(prefix) end
end
