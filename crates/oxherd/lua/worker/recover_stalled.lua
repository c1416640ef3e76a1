-- worker/recover_stalled: bring back jobs whose worker went away.
-- Two phases: a job seen active at one check and without a lock at the next is stalled.
-- KEYS   queue prefix
-- ARGV   now int ms, interval int ms, max_stalled int
-- CLOCK  argument
-- RETURN ids brought back; nil when another worker checked within the interval
-- RESEND safe: a second check within the interval does nothing
-- @include push
-- @include check_queue
local prefix = KEYS[1]
local interval, max_stalled = ARGV[2], tonumber(ARGV[3])
if redis.call('EXISTS', prefix .. 'stalled-check') == 1 then return false end

local settings = check_queue(prefix)
local stalled_key, active_key, events = prefix .. 'stalled', prefix .. 'active', prefix .. 'events'
local suspects = redis.call('SMEMBERS', stalled_key)
redis.call('SET', prefix .. 'stalled-check', ARGV[1], 'PX', interval)
redis.call('XTRIM', events, 'MAXLEN', '~', settings.max_events)

local recovered = {}
redis.call('DEL', stalled_key)
for _, id in ipairs(suspects) do
  local key = prefix .. id
  if redis.call('EXISTS', key .. ':lock') == 0 and redis.call('LREM', active_key, 1, id) == 1 then
    local fields = redis.pcall('HMGET', key, 'priority', 'stc', 'name')
    if not fields.err and (fields[1] or fields[3]) then
      local stalls = (tonumber(fields[2]) or 0) + 1
      redis.call('HSET', key, 'stc', stalls)
      if stalls > max_stalled then redis.call('HSET', key, 'defa', 'job stalled more than allowable limit') end
      push_front(prefix, settings, id, tonumber(fields[1]) or 0)
      redis.call('XADD', events, '*', 'event', 'waiting', 'jobId', id, 'prev', 'active')
      redis.call('XADD', events, '*', 'event', 'stalled', 'jobId', id)
      recovered[#recovered + 1] = id
    end
  end
end

local active = redis.call('LRANGE', active_key, 0, -1)
for first = 1, #active, 7000 do
  redis.call('SADD', stalled_key, unpack(active, first, math.min(first + 6999, #active)))
end
return recovered
