-- @include settings
-- Reads every key a change may touch, so that a foreign key of a wrong type stops the script while nothing is written.
local function check_queue(prefix)
  redis.call('LLEN', prefix .. 'wait')
  redis.call('LLEN', prefix .. 'paused')
  redis.call('LLEN', prefix .. 'active')
  for _, set in ipairs({ 'prioritized', 'delayed', 'completed', 'failed', 'waiting-children', 'marker' }) do
    redis.call('ZCARD', prefix .. set)
  end
  redis.call('XLEN', prefix .. 'events')
  return read_settings(prefix)
end
