-- queue/resume: let workers take jobs again.
-- Jobs that an older BullMQ (5 and before) moved to `paused` come back ahead of the rest, at most 7000 a call.
-- KEYS   queue prefix
-- ARGV   none
-- CLOCK  none
-- RETURN jobs still in `paused`: call again until it is 0
-- RESEND safe
-- @include marker
-- @include check_queue
local prefix = KEYS[1]
local wait, paused = prefix .. 'wait', prefix .. 'paused'
check_queue(prefix)
redis.call('HDEL', prefix .. 'meta', 'paused')
local legacy = redis.call('LRANGE', paused, 0, 6999)
if #legacy > 0 then
  redis.call('RPUSH', wait, unpack(legacy))
  redis.call('LTRIM', paused, #legacy, -1)
end
if redis.call('LLEN', wait) > 0 or redis.call('ZCARD', prefix .. 'prioritized') > 0 then
  mark_work(prefix)
else
  mark_due(prefix)
end
local left = redis.call('LLEN', paused)
if left == 0 then redis.call('XADD', prefix .. 'events', '*', 'event', 'resumed') end
return left
