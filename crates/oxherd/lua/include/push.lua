-- @include marker
-- @include settings
-- Makes a job available to workers. Priority 0 waits in the list, which is always served first.
local function priority_score(prefix, priority)
  local counter = redis.pcall('INCR', prefix .. 'pc')
  if type(counter) ~= 'number' then
    -- The counter only breaks ties; where it is no number it begins anew.
    redis.call('DEL', prefix .. 'pc')
    counter = redis.call('INCR', prefix .. 'pc')
  end
  return priority * 4294967296 + counter % 4294967296
end

local function push(prefix, settings, id, priority, lifo)
  if priority > 0 then
    redis.call('ZADD', prefix .. 'prioritized', priority_score(prefix, priority), id)
  elseif lifo then
    redis.call('RPUSH', prefix .. 'wait', id)
  else
    redis.call('LPUSH', prefix .. 'wait', id)
  end
  if not is_closed(prefix, settings) then mark_work(prefix) end
end

-- The next one out, ahead of everything of its own kind.
local function push_front(prefix, settings, id, priority)
  if priority > 0 then
    redis.call('ZADD', prefix .. 'prioritized', priority * 4294967296, id)
  else
    redis.call('RPUSH', prefix .. 'wait', id)
  end
  if not is_closed(prefix, settings) then mark_work(prefix) end
end
