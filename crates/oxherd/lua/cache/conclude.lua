-- cache/conclude: the write that was intended is over, whether it was committed or not.
-- KEYS   namespace prefix
-- ARGV   tenant:key:, token 16 bytes, version 8 bytes (zeros: none), fence_life_ms int, channel prefix
-- CLOCK  store
-- RETURN 1 the mark stood until now, 0 it had ended
-- RESEND safe
-- @include cache_intent
-- @include cache_version
-- @include cache_notice
local prefix, key, channel = KEYS[1], ARGV[1], ARGV[5]
local mark, entry = prefix .. 'w:' .. key, prefix .. 'e:' .. key
is_marked(mark)
local stood = redis.call('HDEL', mark, ARGV[2])
raise_fence(prefix .. 'f:' .. key, ARGV[3], ARGV[4])
redis.call('UNLINK', entry)
end_lease(channel, prefix .. 'l:' .. key)
announce(channel, entry)
return stood
