-- job/update: replace a job's data.
-- KEYS   queue prefix
-- ARGV   id string, data JSON
-- CLOCK  none
-- RETURN 0, or -1 job missing
-- RESEND safe
-- @include is_job
local key = KEYS[1] .. ARGV[1]
if not is_job(key) then return -1 end
redis.call('HSET', key, 'data', ARGV[2])
return 0
