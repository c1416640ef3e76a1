-- cache/intend: say that what a key stands for is about to be written; until then nobody keeps or reads it here.
-- KEYS   namespace prefix
-- ARGV   tenant:key:, token 16 bytes, term_ms int, channel prefix
-- CLOCK  store
-- RETURN 1
-- RESEND safe: the same mark again
-- @include cache_intent
-- @include cache_notice
local prefix, key, term, channel = KEYS[1], ARGV[1], tonumber(ARGV[3]), ARGV[4]
local mark, entry = prefix .. 'w:' .. key, prefix .. 'e:' .. key
is_marked(mark)
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('HSET', mark, ARGV[2], string.format('%.0f', now + term))
redis.call('PEXPIRE', mark, math.max(term, redis.call('PTTL', mark)))
redis.call('UNLINK', entry)
end_lease(channel, prefix .. 'l:' .. key)
announce(channel, entry)
return 1
