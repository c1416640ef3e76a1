-- job/progress: record how far a job is and tell the listeners.
-- KEYS   queue prefix
-- ARGV   id string, progress JSON
-- CLOCK  none
-- RETURN 0, or -1 job missing
-- RESEND safe; listeners hear it twice
-- @include settings
-- @include is_job
local prefix, id, progress = KEYS[1], ARGV[1], ARGV[2]
if not is_job(prefix .. id) then return -1 end
local settings = read_settings(prefix)
redis.call('XLEN', prefix .. 'events')
redis.call('HSET', prefix .. id, 'progress', progress)
redis.call('XADD', prefix .. 'events', 'MAXLEN', '~', settings.max_events, '*', 'event', 'progress', 'jobId', id,
  'data', progress)
return 0
