-- job/retry: run a finished job again.
-- KEYS   queue prefix
-- ARGV   id string, lifo 0|1, reset_attempts 0|1
-- CLOCK  none
-- RETURN 0, -1 job missing, -3 neither failed nor completed
-- RESEND safe: answers -3
-- @include parent
-- @include is_job
-- @include check_queue
local prefix, id = KEYS[1], ARGV[1]
local key = prefix .. id
if not is_job(key) then return -1 end
local fields = redis.call('HMGET', key, 'priority', 'parent', 'parentKey')
local settings = check_queue(prefix)

local parent = parent_of(fields[2], fields[3])
if parent then check_parent(parent) end

local state, result
if redis.call('ZREM', prefix .. 'failed', id) == 1 then
  state, result = 'failed', 'failedReason'
elseif redis.call('ZREM', prefix .. 'completed', id) == 1 then
  state, result = 'completed', 'returnvalue'
else
  return -3
end
redis.call('HDEL', key, 'finishedOn', 'processedOn', result)
if ARGV[3] == '1' then redis.call('HDEL', key, 'atm', 'ats', 'attemptsMade') end

-- A child that runs again holds its parent back again.
if parent and redis.call('EXISTS', parent.key) == 1 then
  local was_recorded = redis.call('ZREM', parent.key .. ':unsuccessful', key)
    + redis.call('HDEL', parent.key .. ':failed', key) + redis.call('HDEL', parent.key .. ':processed', key)
  if was_recorded > 0 then redis.call('SADD', parent.key .. ':dependencies', key) end
end

push(prefix, settings, id, tonumber(fields[1]) or 0, ARGV[2] == '1')
redis.call('XADD', prefix .. 'events', 'MAXLEN', '~', settings.max_events, '*', 'event', 'waiting', 'jobId', id,
  'prev', state)
return 0
