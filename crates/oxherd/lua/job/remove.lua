-- job/remove: take a job out of the queue with all that belongs to it.
-- KEYS   queue prefix
-- ARGV   id string, now int ms
-- CLOCK  argument
-- RETURN the state it was in; or -1 job missing, -4 it has children, -6 it is being processed,
--        -8 it is the current iteration of a job scheduler
-- RESEND safe: answers -1
-- @include erase_job
-- @include state_of
-- @include is_job
-- @include check_queue
local prefix, id = KEYS[1], ARGV[1]
local key = prefix .. id
local kind = redis.call('TYPE', key)['ok']
local settings = check_queue(prefix)
local state = state_of(prefix, id)
-- A garbage job is at least in a list.
if not is_job(key) and not state then return -1 end
if kind == 'hash' then
  local scheduler = redis.call('HGET', key, 'rjk')
  if scheduler then
    local next_ms = redis.call('ZSCORE', prefix .. 'repeat', scheduler)
    if next_ms and id == 'repeat:' .. scheduler .. ':' .. next_ms then return -8 end
  end
end
if redis.call('EXISTS', key .. ':lock') == 1 then return -6 end
if redis.call('EXISTS', key .. ':dependencies') == 1 then return -4 end

erase_job(prefix, id, tonumber(ARGV[2]))
if state == 'active' then
  redis.call('LREM', prefix .. 'active', 0, id)
elseif state == 'waiting' then
  redis.call('LREM', prefix .. 'wait', 0, id)
  redis.call('LREM', prefix .. 'paused', 0, id)
elseif state then
  redis.call('ZREM', prefix .. state, id)
end
redis.call('XADD', prefix .. 'events', 'MAXLEN', '~', settings.max_events, '*', 'event', 'removed', 'jobId', id,
  'prev', state == 'waiting' and 'wait' or state or 'unknown')
return state or 'unknown'
