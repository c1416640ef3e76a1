-- queue/open: write what other programs expect to find in a queue's settings.
-- KEYS   queue prefix
-- ARGV   layout version string, library string, max_events int
-- CLOCK  none
-- RETURN 0
-- RESEND safe
local meta = KEYS[1] .. 'meta'
redis.call('HSET', meta, 'version', ARGV[1], 'library', ARGV[2])
if redis.call('HEXISTS', meta, 'opts.maxLenEvents') == 0 then redis.call('HSET', meta, 'opts.maxLenEvents', ARGV[3]) end
return 0
