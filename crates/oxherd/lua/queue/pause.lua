-- queue/pause: no worker takes jobs from this queue until it is resumed.
-- KEYS   queue prefix
-- ARGV   none
-- CLOCK  none
-- RETURN 0
-- RESEND safe
local prefix = KEYS[1]
redis.call('HSET', prefix .. 'meta', 'paused', 1)
redis.call('DEL', prefix .. 'marker')
redis.call('XADD', prefix .. 'events', '*', 'event', 'paused')
return 0
