-- queue/open: write what other programs expect to find in a queue's settings.
-- KEYS   queue prefix
-- ARGV   layout version string, library string, max_events int
-- CLOCK  none
-- RETURN 0
-- RESEND safe
local meta = KEYS[1] .. 'meta'
redis.call('HSET', meta, 'version', ARGV[1], 'library', ARGV[2])
redis.call('HSETNX', meta, 'opts.maxLenEvents', ARGV[3])
return 0
