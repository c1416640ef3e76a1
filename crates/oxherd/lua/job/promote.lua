-- job/promote: make a delayed job available now.
-- KEYS   queue prefix
-- ARGV   id string
-- CLOCK  none
-- RETURN 0, -1 job missing, -3 not delayed
-- RESEND safe: answers -3
-- @include push
-- @include is_job
-- @include check_queue
local prefix, id = KEYS[1], ARGV[1]
local key = prefix .. id
if not is_job(key) then return -1 end
local priority = tonumber(redis.call('HGET', key, 'priority')) or 0
local settings = check_queue(prefix)
if redis.call('ZREM', prefix .. 'delayed', id) == 0 then return -3 end
push(prefix, settings, id, priority, false)
redis.call('HSET', key, 'delay', 0)
redis.call('XADD', prefix .. 'events', '*', 'event', 'waiting', 'jobId', id, 'prev', 'delayed')
return 0
