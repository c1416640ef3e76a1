-- @include parent
-- @include erase_job
-- @include deduplication
-- Ends one active job: completed or failed for good. The caller holds its lock and has taken it off `active`.
local function finish(prefix, settings, now, job, record)
  local key = prefix .. job.id
  local parent = parent_of(record.parent, record.parent_key)
  if record.deduplication_id then
    finish_deduplication(prefix, settings, record.deduplication_id, job.id, now)
  end
  if parent then
    if job.outcome == 'completed' then
      child_completed(parent, key, job.value, now)
    else
      child_failed(parent, key, job.value, now)
    end
  end

  local attempts_made = record.attempts_made + 1
  if job.keep.count == 0 then
    erase_keys(key)
    if parent then child_removed(parent, key, now) end
  else
    redis.call('ZADD', prefix .. job.outcome, now, job.id)
    local fields = { 'atm', attempts_made, 'finishedOn', now }
    if job.outcome == 'completed' then
      fields[5], fields[6] = 'returnvalue', job.value
    else
      fields[5], fields[6], fields[7], fields[8] = 'failedReason', job.value, 'stacktrace', job.stack
      if record.deferred_failure then redis.call('HDEL', key, 'defa') end
    end
    redis.call('HSET', key, unpack(fields))
  end

  if job.outcome == 'completed' then
    redis.call('XADD', prefix .. 'events', '*', 'event', 'completed', 'jobId', job.id, 'returnvalue', job.value,
      'prev', 'active')
  else
    redis.call('XADD', prefix .. 'events', '*', 'event', 'failed', 'jobId', job.id, 'failedReason', job.value,
      'prev', 'active')
    if attempts_made >= job.number then
      redis.call('XADD', prefix .. 'events', '*', 'event', 'retries-exhausted', 'jobId', job.id,
        'attemptsMade', attempts_made)
    end
  end
end
