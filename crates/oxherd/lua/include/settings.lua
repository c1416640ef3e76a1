-- The queue's own settings. A paused queue, or one at its global concurrency, wakes nobody.
local function read_settings(prefix)
  local meta = redis.call('HMGET', prefix .. 'meta', 'paused', 'concurrency', 'max', 'duration', 'opts.maxLenEvents')
  local settings = {
    paused = meta[1] and true or false,
    concurrency = tonumber(meta[2]),
    max = tonumber(meta[3]),
    duration = tonumber(meta[4]),
    max_events = meta[5],
  }
  if not settings.max_events then
    settings.max_events = '10000'
    settings.max_events_missing = true
  end
  return settings
end

-- Free places under the global concurrency; nil where there is no limit.
local function free_places(prefix, settings)
  if not settings.concurrency then return nil end
  return settings.concurrency - redis.call('LLEN', prefix .. 'active')
end

local function is_closed(prefix, settings)
  if settings.paused then return true end
  local free = free_places(prefix, settings)
  return free ~= nil and free <= 0
end
