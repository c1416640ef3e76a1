-- queue/pause: no worker takes jobs from this queue until it is resumed.
-- KEYS   queue prefix
-- ARGV   none
-- CLOCK  none
-- RETURN 0
-- RESEND safe
-- @include check_queue
local prefix = KEYS[1]
check_queue(prefix)
redis.call('HSET', prefix .. 'meta', 'paused', 1)
redis.call('DEL', prefix .. 'marker')
redis.call('XADD', prefix .. 'events', '*', 'event', 'paused')
return 0
