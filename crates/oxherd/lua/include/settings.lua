-- A limit that makes no sense is none.
local function limit(text)
  local number = tonumber(text)
  if number and number >= 1 and number <= 9007199254740991 then return math.floor(number) end
  return nil
end

-- The queue's own settings. A paused queue, or one at its global concurrency, wakes nobody.
local function read_settings(prefix)
  local meta = redis.call('HMGET', prefix .. 'meta', 'paused', 'concurrency', 'max', 'duration', 'opts.maxLenEvents')
  local settings = {
    paused = meta[1] and true or false,
    concurrency = limit(meta[2]),
    max = limit(meta[3]),
    duration = limit(meta[4]),
    max_events = meta[5],
  }
  settings.max_events_missing = not settings.max_events
  local max_events = tonumber(settings.max_events)
  if not max_events or max_events < 0 or max_events > 9007199254740991 then max_events = 10000 end
  settings.max_events = string.format('%.0f', math.floor(max_events))
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
