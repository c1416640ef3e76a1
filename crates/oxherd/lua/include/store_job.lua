-- @include push
-- @include delayed_score
-- Writes a job and places it: delayed, prioritized or waiting.
-- `extra` holds further field/value pairs of the hash (parent, deduplication id).
local function store_job(prefix, settings, job, extra)
  local key = prefix .. job.id
  local events = prefix .. 'events'
  redis.call('HSET', key, 'name', job.name, 'data', job.data, 'opts', job.opts, 'timestamp', job.timestamp,
    'delay', job.delay, 'priority', job.priority)
  if extra and #extra > 0 then redis.call('HSET', key, unpack(extra)) end
  redis.call('XADD', events, '*', 'event', 'added', 'jobId', job.id, 'name', job.name)
  local delay = tonumber(job.delay)
  if delay > 0 then
    local due = job.timestamp + delay
    redis.call('ZADD', prefix .. 'delayed', delayed_score(prefix .. 'delayed', due), job.id)
    redis.call('XADD', events, 'MAXLEN', '~', settings.max_events, '*', 'event', 'delayed', 'jobId', job.id,
      'delay', string.format('%.0f', due))
    mark_due(prefix)
  else
    push(prefix, settings, job.id, tonumber(job.priority), job.lifo)
    redis.call('XADD', events, 'MAXLEN', '~', settings.max_events, '*', 'event', 'waiting', 'jobId', job.id)
  end
end
