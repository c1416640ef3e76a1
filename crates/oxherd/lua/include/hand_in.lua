-- @include finish
-- Applies the outcome of one job this caller holds: 0, or a negative code and nothing written.
--   -1 job missing  -2 lock missing  -3 not active  -4 children pending  -6 locked by another  -9 children failed
--   -20 the job's key is no hash
local function put_back(prefix, settings, id, priority)
  push_front(prefix, settings, id, priority)
  redis.call('XADD', prefix .. 'events', 'MAXLEN', '~', settings.max_events, '*', 'event', 'waiting', 'jobId', id,
    'prev', 'active')
end

local function hand_in(prefix, settings, now, job, lock)
  local key = prefix .. job.id
  local fields = redis.pcall('HMGET', key, 'processedOn', 'parent', 'parentKey', 'deid', 'priority', 'atm',
    'attemptsMade', 'defa', 'ats')
  if fields.err then return -20 end
  if not fields[1] then return -1 end
  if job.outcome == 'completed' and redis.call('EXISTS', key .. ':dependencies', key .. ':unsuccessful') > 0 then
    if redis.call('SCARD', key .. ':dependencies') > 0 then return -4 end
    if redis.call('ZCARD', key .. ':unsuccessful') > 0 then return -9 end
  end
  -- A lock that expired while the store was away does no harm as long as nobody else has started the job since.
  if not lock and fields[9] ~= job.starts then return -2 end
  if lock and lock ~= job.token then return -6 end
  if redis.call('LREM', prefix .. 'active', -1, job.id) == 0 then return -3 end
  job.is_off_active = true

  local record = {
    parent = fields[2], parent_key = fields[3], deduplication_id = fields[4],
    priority = tonumber(fields[5]) or 0,
    attempts_made = tonumber(fields[6] or fields[7]) or 0,
    deferred_failure = fields[8],
  }
  if job.outcome == 'completed' or job.outcome == 'failed' then
    finish(prefix, settings, now, job, record)
  elseif job.outcome == 'release' then
    put_back(prefix, settings, job.id, record.priority)
  elseif job.outcome == 'limit' then
    redis.call('SET', prefix .. 'limiter', '9007199254740991', 'PX', job.number)
    put_back(prefix, settings, job.id, record.priority)
  else
    local changes = {}
    if job.stack ~= '' then
      changes = { 'failedReason', job.value, 'stacktrace', job.stack }
    end
    if job.counts then
      changes[#changes + 1] = 'atm'
      changes[#changes + 1] = record.attempts_made + 1
    end
    if job.outcome == 'retry' then
      if #changes > 0 then redis.call('HSET', key, unpack(changes)) end
      push(prefix, settings, job.id, record.priority, job.number == 1)
      redis.call('XADD', prefix .. 'events', 'MAXLEN', '~', settings.max_events, '*', 'event', 'waiting', 'jobId',
        job.id, 'prev', 'active')
    else
      local due = job.outcome == 'until' and job.number or now + job.number
      changes[#changes + 1] = 'delay'
      changes[#changes + 1] = math.max(due - now, 0)
      redis.call('HSET', key, unpack(changes))
      redis.call('ZADD', prefix .. 'delayed', delayed_score(prefix .. 'delayed', due), job.id)
      redis.call('XADD', prefix .. 'events', 'MAXLEN', '~', settings.max_events, '*', 'event', 'delayed', 'jobId',
        job.id, 'delay', string.format('%.0f', due))
      mark_due(prefix)
    end
  end
  return 0
end
