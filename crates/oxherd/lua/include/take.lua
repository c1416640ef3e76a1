-- @include push
-- Makes waiting jobs active and locks them for the caller.
-- Ids are text. Anything else is another program's, and no answer could name it.
local function is_text(id)
  if not string.find(id, '[\128-\255]') then return true end
  local rest = string.gsub(id, '[%z\1-\127]', '')
  rest = string.gsub(rest, '[\240-\244][\128-\191][\128-\191][\128-\191]', '')
  rest = string.gsub(rest, '[\224-\239][\128-\191][\128-\191]', '')
  rest = string.gsub(rest, '[\194-\223][\128-\191]', '')
  return rest == ''
end

local function take_one(prefix, now, token, lock_ms, worker_name, id)
  local key = prefix .. id
  local hash = redis.pcall('HGETALL', key)
  if hash.err or #hash == 0 or not is_text(id) then return nil end
  local starts, deferred = 0, false
  for position = 1, #hash, 2 do
    if hash[position] == 'ats' then
      starts = tonumber(hash[position + 1]) or 0
    elseif hash[position] == 'defa' then
      deferred = true
    end
  end
  starts = starts + 1
  redis.call('SET', key .. ':lock', token, 'PX', lock_ms)
  redis.call('XADD', prefix .. 'events', '*', 'event', 'active', 'jobId', id, 'prev', 'waiting')
  if worker_name ~= '' then
    redis.call('HSET', key, 'processedOn', now, 'ats', starts, 'pb', worker_name)
  else
    redis.call('HSET', key, 'processedOn', now, 'ats', starts)
  end
  for _, part in ipairs({ 'processedOn', string.format('%.0f', now), 'ats', tostring(starts) }) do
    hash[#hash + 1] = part
  end
  return hash, deferred
end

-- Ids of the next jobs, moved to `active`: the list first, then the prioritized ones.
local function pop(prefix, wanted)
  local ids
  if wanted == 1 then
    local id = redis.call('RPOPLPUSH', prefix .. 'wait', prefix .. 'active')
    if id then return { id } end
  else
    ids = redis.call('RPOP', prefix .. 'wait', wanted)
    if ids and #ids > 0 then
      redis.call('LPUSH', prefix .. 'active', unpack(ids))
      return ids
    end
  end
  ids = {}
  local popped = redis.call('ZPOPMIN', prefix .. 'prioritized', wanted)
  for position = 1, #popped, 2 do ids[#ids + 1] = popped[position] end
  if #ids > 0 then
    redis.call('LPUSH', prefix .. 'active', unpack(ids))
  else
    redis.call('DEL', prefix .. 'pc')
  end
  return ids
end

-- How long the queue is rate limited, in ms (0: it is not), and how many jobs may start in this window.
local function rate_window(prefix, max)
  local started = tonumber(redis.call('GET', prefix .. 'limiter') or 0) or 0
  local ceiling = max or 9007199254740991
  if started < ceiling then return 0, ceiling - started end
  local remaining = redis.call('PTTL', prefix .. 'limiter')
  if remaining > 0 then return remaining, 0 end
  if remaining == 0 then redis.call('DEL', prefix .. 'limiter') end
  return 0, ceiling
end

-- Jobs taken as {id, hash} pairs, ids that named no job, and the rate limit's remaining ms.
local function take(prefix, settings, now, request)
  local taken, dropped = {}, {}
  local max = settings.max or request.limiter_max
  local limited, allowance = rate_window(prefix, max)
  if limited > 0 then return taken, dropped, limited end
  if is_closed(prefix, settings) then return taken, dropped, 0 end

  local wanted = math.min(request.slots, allowance, free_places(prefix, settings) or request.slots)
  local counted = 0
  -- A round ends short only when ids named no job; the bound keeps a list full of those from holding the server.
  for _ = 1, 20 do
    if wanted <= 0 then break end
    local ids = pop(prefix, wanted)
    if #ids == 0 then break end
    for _, id in ipairs(ids) do
      local hash, deferred = take_one(prefix, now, request.token, request.lock_ms, request.worker_name, id)
      if hash then
        taken[#taken + 1] = { id, hash }
        wanted = wanted - 1
        if not deferred then counted = counted + 1 end
      else
        redis.call('LREM', prefix .. 'active', 1, id)
        dropped[#dropped + 1] = id
      end
    end
  end

  if max and counted > 0 then
    local started = redis.call('INCRBY', prefix .. 'limiter', counted)
    if started == counted then
      local duration = request.limiter_ms or settings.duration
      if duration then redis.call('PEXPIRE', prefix .. 'limiter', math.floor(duration)) end
    end
  end
  if #taken > 0 then mark_work(prefix) end
  return taken, dropped, 0
end
